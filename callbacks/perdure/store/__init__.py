"""Where bytes go: objects by key, in S3 or a local folder, behind one small interface."""
