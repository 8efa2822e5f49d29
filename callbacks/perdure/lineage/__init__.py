"""What a job has saved: an append-only log of small JSON records and the chunks that they name.

Knows stores and bytes; knows nothing of Keras.
"""
