"""Each benchmark sets what we do against a limit measured in the same run; see run.py."""
