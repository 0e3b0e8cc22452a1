"""`python -m streamproc`: the command line without the console script."""

from streamproc.cli import main

if __name__ == "__main__":
    main(prog_name="streamproc")
