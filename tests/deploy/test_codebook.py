"""Codes of a codebook, and which of them is nearest."""

import pytest
import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.deploy.codebook import (
    Codebook,
    CodebookError,
    decision_weights,
    decisions,
    make_codebook,
)
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance
from dance_lib.rivals.plans import mean_gates
from tests.deploy.networks import family
from tests.networks import TwoBlocks


@pytest.fixture
def structure():
    return Dance(TwoBlocks(), TwoBlocks.clip).structure


def plans(structure, count, seed=0, rate=0.5):
    generator = torch.Generator().manual_seed(seed)

    def draw(*size):
        kept = torch.rand(count, *size, generator=generator) < rate
        kept.view(count, -1)[:, 0] = True
        return kept

    return PruningPlan.from_decisions(
        structure,
        frames={b.name: draw(b.size[0]) for b in structure.branches.values()},
        tiles={b.name: draw(*b.grid) for b in structure.branches.values()},
        channels={u: draw(structure.groups(u)) for u in structure.channel_owners},
    )


def same(one, other):
    return all(
        torch.equal(getattr(one, axis)[u], getattr(other, axis)[u])
        for axis in ("frames", "channels", "features")
        for u in one.units
    )


# ------------------------------------------------------------------ decisions
def test_a_decision_stands_once(structure):
    """TwoBlocks: branch a, b of 4 frames and 7 × 7 tiles; c, d of 2 frames and 4 × 4."""
    plan = plans(structure, 5)
    made = decisions(plan, structure)
    assert made.shape == (5, 4 + 49 + 2 + 16 + 2 + 1 + 3 + 2)
    assert torch.equal(made[:, :4], plan.frames["b.0"].float())
    assert torch.equal(made[:, 53:55], plan.frames["d"].float())
    assert torch.equal(made[:, 55:71], plan.features["d"].flatten(1).float())  # a tile a position
    assert torch.equal(made[:, 71:73], plan.channels["a.0"][:, ::8].float())
    assert torch.equal(decision_weights(structure) > 0, torch.ones(79, dtype=torch.bool))


def test_tiles_are_read_at_a_position_of_their_own(structure):
    """Of 8 rows in 7 cells the second cell holds rows 1 and 2, ⌊h·7/8⌋: 0 0 1 2 3 4 5 6."""
    tiles = torch.zeros(1, 7, 7)
    tiles[0, 0, 0] = tiles[0, 1, 6] = tiles[0, 6, 3] = 1
    plan = PruningPlan.from_decisions(
        structure,
        frames={b.name: torch.ones(1, b.size[0]) for b in structure.branches.values()},
        tiles={
            b.name: tiles if b.grid == (7, 7) else torch.ones(1, *b.grid)
            for b in structure.branches.values()
        },
        channels={u: torch.ones(1, structure.groups(u)) for u in structure.channel_owners},
    )
    assert torch.equal(decisions(plan, structure)[0, 4:53], tiles.flatten())


def test_weights_are_shares_of_macs(structure):
    """Frames of a branch weigh together what its MACs are of the whole, and so do its tiles."""
    weights = decision_weights(structure)
    macs = {u.name: u.dense_macs for u in structure.units.values()}
    first = (macs["a.0"] + macs["b.0"]) / structure.dense_macs
    assert weights[:4].sum().item() == pytest.approx(first)
    assert weights[4:53].sum().item() == pytest.approx(first)
    assert weights[71:73].sum().item() == pytest.approx(macs["a.0"] / structure.dense_macs)


def test_a_dropped_branch_keeps_nothing_on_any_axis(structure):
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    branch = next(iter(structure.branches.values()))
    masks = net.decide(torch.rand(1, *structure.stem_shape))
    frames = {**masks.frames, **{u: torch.zeros(1, 4) for u in branch.units}}
    closed = type(masks)(frames, masks.channels, masks.features)
    made = decisions(closed, structure)
    assert not made[:, :53].any()  # its tiles neither, although they are open in the masks
    assert not made[:, 71:74].any()


# ------------------------------------------------------------------ the nearest code
def test_the_nearest_code_by_counting(structure):
    codes, own = plans(structure, 4, seed=1), plans(structure, 9, seed=2)
    book = Codebook(codes, structure)
    weights = decision_weights(structure)
    for clip, code in enumerate(book.nearest(own).tolist()):
        mine = decisions(own, structure)[clip]
        differs = [
            sum(w for w, a, b in zip(weights.tolist(), mine, theirs, strict=True) if a != b)
            for theirs in decisions(codes, structure)
        ]
        assert differs[code] == pytest.approx(min(differs))


def test_a_code_is_nearest_to_itself(structure):
    codes = plans(structure, 6)
    book = Codebook(codes, structure)
    assert book.nearest(codes).tolist() == list(range(6))
    assert same(book.plan_for(codes[[4, 0]]), codes[[4, 0]])
    assert torch.equal(book.mac_ratios(), mac_ratios(structure, codes))


# ------------------------------------------------------------------ making one
def test_clusters_that_are_far_apart_are_found(structure):
    """Two kinds of plans, each with a little noise: a code is what its kind keeps most often."""
    low, high = plans(structure, 1, seed=3, rate=0.3), plans(structure, 1, seed=4, rate=0.8)
    many = PruningPlan.cat([low[[0] * 10], high[[0] * 10]])
    book = make_codebook(many, structure, 2)
    assert len(book) == 2
    found = sorted(book.nearest(many).tolist())
    assert found == [0] * 10 + [1] * 10
    for kind in (low, high):
        ratio = mac_ratios(structure, kind).item()
        assert any(same(book.codes[i], mean_gates(kind, structure, ratio)) for i in range(2))


def test_codes_keep_as_many_macs_as_their_plans(structure):
    many = plans(structure, 200)
    for size in (1, 3):
        book = make_codebook(many, structure, size)
        chosen = book.plan_for(many)
        mean = mac_ratios(structure, many).mean().item()
        assert mac_ratios(structure, chosen).mean().item() == pytest.approx(mean, abs=0.05)


def test_no_more_codes_than_different_plans(structure):
    three = plans(structure, 3)
    assert len(make_codebook(three[[0, 1, 2, 0, 1]], structure, 16)) == 3


def test_the_same_seed_makes_the_same_codes(structure):
    many = plans(structure, 60)
    one, again = (make_codebook(many, structure, 4, seed=7) for _ in range(2))
    assert same(one.codes, again.codes)


def test_no_codes_are_refused(structure):
    with pytest.raises(CodebookError, match="at least one code, not 0"):
        make_codebook(plans(structure, 3), structure, 0)


# ------------------------------------------------------------------ files
def test_a_codebook_comes_back_from_its_file(structure, tmp_path):
    book = Codebook(plans(structure, 3), structure)
    again = Codebook.load(book.save(tmp_path / "codes.safetensors"), structure)
    assert same(again.codes, book.codes)


def test_files_that_are_none(structure, tmp_path):
    file = tmp_path / "codes.safetensors"
    with pytest.raises(CodebookError, match="no codebook at"):
        Codebook.load(file, structure)
    file.write_bytes(b"no tensors")
    with pytest.raises(CodebookError, match="is no codebook"):
        Codebook.load(file, structure)
    Codebook(plans(structure, 2), structure).save(file)
    other, _ = family("narrow")
    with pytest.raises(CodebookError, match="is no codebook of this network"):
        Codebook.load(file, other.structure)
    with pytest.raises(CodebookError, match="can't write"):
        Codebook(plans(structure, 2), structure).save(tmp_path / "codes.safetensors" / "below")
