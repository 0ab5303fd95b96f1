"""The command line and the launcher of the mill. They start the services by command line and import none."""

from importlib.metadata import version

__version__ = version("storymill")
