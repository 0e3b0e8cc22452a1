"""The one exception tree of the shell: what a person did or a system refused, said in one line."""


class StreamprocError(Exception):
    """Its message is meant for the user: the command line prints it without a traceback.

    Subclasses set `exit_code` 2 when the user can mend the cause in the command or the settings.
    """

    exit_code = 1
