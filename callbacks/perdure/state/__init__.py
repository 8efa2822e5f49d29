"""What a training process is: its variables, callbacks, random streams and files, taken and put back."""
