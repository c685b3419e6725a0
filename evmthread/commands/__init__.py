"""The subcommands of `evmthread`, one module each: NAME, HELP, add_arguments(parser), run(arguments) -> exit code.

A module imports at once only what its arguments need; what its work needs, inside `run`. DESCRIPTION, where there is
one, is what `evmthread NAME --help` says first.
"""
