"""`python -m hoodwink` is `hoodwink`."""

from hoodwink.cli.main import main

if __name__ == "__main__":
    main()
