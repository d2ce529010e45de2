from collections.abc import Callable
from typing import final

from typing_extensions import Buffer

from pyfutex.key import Mappable
from pyfutex.memory import Memory
from pyfutex.results import Region
from pyfutex.target import Target

@final
class AddressSpace(Target):
    def __init__(self) -> None: ...
    def map(
        self,
        addr: int,
        memory: Buffer | Memory,
        *,
        length: int | None = None,
        offset: int = 0,
        mappable: Mappable | None = None,
        mappable_offset: int = 0,
        writable: bool = True,
    ) -> Region: ...
    def unmap(self, addr: int, length: int) -> None: ...
    def regions(self) -> list[Region]: ...
    def fork(self, copy: Callable[[Region], Buffer] | None = None) -> AddressSpace: ...
