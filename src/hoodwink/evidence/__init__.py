"""What may be claimed about a file, judged from the file by code that knows nothing of attacks."""
