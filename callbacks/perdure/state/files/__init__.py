"""Files that callbacks write: they belong to the checkpoint, and are put back as they were at its cursor."""
