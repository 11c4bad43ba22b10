"""What a network decided for a clip, for people: where it looked, and what that cost."""
