"""The subcommands of `evmthread`, one module each: NAME, HELP, add_arguments(parser), run(arguments) -> exit code."""
