"""The errors of selfagg, in three classes."""


class SelfaggError(Exception):
    """Base of every error that selfagg raises on purpose; its text is one sentence for a person."""

    exit_code = 1
    """The exit code of the command line."""


class UsageError(SelfaggError):
    """Something the user gave cannot work: the text says what and where."""

    exit_code = 2


class TooLong(UsageError):
    """A question leaves no room for a reply in the model's context."""


class ModelError(SelfaggError):
    """One call to a model failed for good, after whatever retries made sense.

    Attributes:
        tries: Number of tries of the call.
        fatal: True if every further call would fail the same way (a wrong key, an unknown model), so that a
            run has no reason to go on.
        gone: True if no call has hope now (the server is gone, or its limit lasts longer than patience).
        status: The server's answer, as an HTTP status; 503 for one that cannot be reached, 504 for one that
            is too slow, None where there is nothing to say.
        wait_s: Seconds that the server asked to be left alone.
    """

    def __init__(
        self,
        message: str,
        *,
        tries: int = 1,
        fatal: bool = False,
        gone: bool = False,
        status: int | None = None,
        wait_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.tries = tries
        self.fatal = fatal
        self.gone = gone
        self.status = status
        self.wait_s = wait_s


class ContextOverflow(ModelError):
    """The model refused a prompt because it does not fit its context."""


class RunStopped(SelfaggError):
    """A run has no hope of further replies; what is finished is in the record.

    Attributes:
        fatal: True if the model refuses what the user gave (a wrong key), as `ModelError.fatal` says.
    """

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal
