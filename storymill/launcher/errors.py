"""What can keep the mill from starting, each with a message for the person at the terminal."""


class LauncherError(Exception):
    """The mill cannot be started, stopped or asked; the text says why and what to do."""


class MissingBinaryError(LauncherError):
    """A server program that we start ourselves is not installed."""


class ClusterError(LauncherError):
    """The embedded PostgreSQL cannot be created or used."""


class PrivilegeError(LauncherError):
    """Root that may not become the user as whom PostgreSQL would run."""


class StateDirError(LauncherError):
    """The state directory cannot be used: not writable, full, or of another version."""


class PortTakenError(LauncherError):
    """A port that we were told to use belongs to another process."""


class AlreadyRunningError(LauncherError):
    """Another launcher runs on this state directory."""


class NotRunningError(LauncherError):
    """There is no running mill in this state directory."""


class StartError(LauncherError):
    """A process of the mill did not become ready."""
