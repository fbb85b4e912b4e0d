"""The command line: options to parameters, errors to exit codes, output to the terminal."""
