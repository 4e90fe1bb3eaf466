"""The commands of `pilots`: one module each, whose `command` is a click command. A new command is one file and one line here."""

COMMAND_MODULES: tuple[str, ...] = ()
