"""`python -m lstm_textgen` is `textgen`."""

from lstm_textgen.cli import run

if __name__ == "__main__":
    run()
