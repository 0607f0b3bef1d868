"""Just enough of ELF64 to break a file on purpose."""

import struct
from dataclasses import dataclass

PT_LOAD, PT_DYNAMIC, PT_NOTE = 1, 2, 4


@dataclass
class Segment:
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class ElfFile:
    def __init__(self, data):
        self.data = bytearray(data)

    def put(self, offset, form, *values):
        struct.pack_into(form, self.data, offset, *values)

    def get(self, offset, form):
        return struct.unpack_from(form, self.data, offset)[0]

    @property
    def phoff(self):
        return self.get(32, "<Q")

    @property
    def shoff(self):
        return self.get(40, "<Q")

    @property
    def phnum(self):
        return self.get(56, "<H")

    def segment(self, index):
        return Segment(*struct.unpack_from("<IIQQQQQQ", self.data, self.phoff + 56 * index))

    def segment_bytes(self, index):
        return bytes(self.data[self.phoff + 56 * index:self.phoff + 56 * (index + 1)])

    def set_segment(self, index, **fields):
        segment = self.segment(index)
        for name, value in fields.items():
            setattr(segment, name, value)
        self.put(self.phoff + 56 * index, "<IIQQQQQQ", *vars(segment).values())

    def segments(self):
        return [self.segment(i) for i in range(self.phnum)]

    def indices(self, kind):
        return [i for i in range(self.phnum) if self.segment(i).type == kind]

    def offset_of(self, address):
        """The file offset of a link-time address, or None."""
        for s in self.segments():
            if s.type == PT_LOAD and s.vaddr <= address < s.vaddr + s.filesz:
                return address - s.vaddr + s.offset
        return None
