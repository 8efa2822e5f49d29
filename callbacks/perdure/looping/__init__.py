"""Inside a hand-written loop: what it was given, its batches, its state, the way back, the saves."""
