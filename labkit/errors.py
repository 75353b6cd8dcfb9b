"""Every exception that labkit raises on purpose.

* LabkitError
  + ManifestError            a scenario file is wrong; carries every problem found in it
  + UsageError               the caller asked for something that cannot be (an unknown name)
    - CommandNotFoundError   a command is no program of this machine
    - CannotExecuteError     a command is a file that cannot be run
  + MissingFeature           this kernel or machine lacks something; carries the remedy
  + LabError                 the running lab could not do what was asked
    - KernelError            the kernel refused a request
    - CommandError           a program ran and failed; carries argv, input and stderr

The command's exit status follows the tree: `exit_status` of each class.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import ClassVar

    from labkit.manifest.problems import Problem


class LabkitError(Exception):
    """Root of the tree: catch this to catch everything that labkit raises on purpose."""

    exit_status: ClassVar[int] = 2

    def __reduce__(self) -> tuple[object, ...]:
        """Cross from one process to another with everything that it carries."""
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[LabkitError], args: tuple[object, ...], carried: Mapping[str, object]
) -> LabkitError:
    """Make an error once more, whatever its constructor asks for."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(carried)
    return error


class ManifestError(LabkitError):
    """A scenario is wrong. ``problems`` holds every problem found; the text is one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(LabkitError):
    """The caller named something that does not exist or asked for what cannot be."""


class CommandNotFoundError(UsageError):
    """A command is no program of this machine; the exit status is that of shells."""

    exit_status: ClassVar[int] = 127


class CannotExecuteError(UsageError):
    """A command is a file that cannot be run; the exit status is that of shells."""

    exit_status: ClassVar[int] = 126


class MissingFeature(LabkitError):  # noqa: N818 - named for what it says, not for being an error
    """This kernel or machine lacks something that the lab needs."""

    exit_status: ClassVar[int] = 3

    def __init__(self, feature: str, *, found: str, remedy: str) -> None:
        self.feature = feature
        self.found = found
        self.remedy = remedy
        super().__init__(f"{feature}: {found}; {remedy}")


class LabError(LabkitError):
    """The running lab could not do what was asked."""

    exit_status: ClassVar[int] = 1


class KernelError(LabError):
    """The kernel refused a request.

    ``errno`` is the kernel's; ``request`` says in words what was asked.
    """

    def __init__(self, request: str, *, errno: int, message: str) -> None:
        self.request = request
        self.errno = errno
        self.message = message
        super().__init__(f"{request}: {message}")


class CommandError(LabError):
    """A program in a host's namespace exited non-zero.

    ``stdin`` is kept because ``iptables-restore`` reports a line number and nothing else.
    """

    def __init__(
        self, argv: Sequence[str], *, where: str, returncode: int, stderr: str, stdin: str = ""
    ) -> None:
        self.argv = tuple(argv)
        self.where = where
        self.returncode = returncode
        self.stderr = stderr.strip()
        self.stdin = stdin
        super().__init__(f"{' '.join(argv)} on {where} exited {returncode}: {self.stderr}")
