from typing import Self, final

from pyfutex.target import Target

@final
class NativeTarget(Target):
    def __new__(cls, capsule: object, /) -> Self: ...
    @property
    def capsule(self) -> object: ...
