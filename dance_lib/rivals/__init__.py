"""What pruning by a plan for each clip has to beat: networks that are small for all clips alike."""

from dance_lib.rivals.train import Rival, train_rival

__all__ = ["Rival", "train_rival"]
