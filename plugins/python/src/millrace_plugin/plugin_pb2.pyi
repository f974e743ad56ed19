from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
    METHOD_UNSPECIFIED: _ClassVar[Method]
    PROCESS: _ClassVar[Method]
    PARTIAL: _ClassVar[Method]
    MERGE: _ClassVar[Method]
    UPDATE: _ClassVar[Method]
    PARTITIONS: _ClassVar[Method]
    READ: _ClassVar[Method]
    LANE: _ClassVar[Method]
    STAGE: _ClassVar[Method]
    PUBLISH: _ClassVar[Method]
    FLUSH: _ClassVar[Method]
METHOD_UNSPECIFIED: Method
PROCESS: Method
PARTIAL: Method
MERGE: Method
UPDATE: Method
PARTITIONS: Method
READ: Method
LANE: Method
STAGE: Method
PUBLISH: Method
FLUSH: Method

class DescribeRequest(_message.Message):
    __slots__ = ["protocol", "features"]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, protocol: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ["protocol", "features", "name", "version", "sdk", "concurrent", "offers"]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SDK_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    features: _containers.RepeatedScalarFieldContainer[str]
    name: str
    version: str
    sdk: str
    concurrent: bool
    offers: _containers.RepeatedCompositeFieldContainer[Offer]
    def __init__(self, protocol: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., sdk: _Optional[str] = ..., concurrent: bool = ..., offers: _Optional[_Iterable[_Union[Offer, _Mapping]]] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ["name", "kind", "doc"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    doc: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., doc: _Optional[str] = ...) -> None: ...

class DeclareRequest(_message.Message):
    __slots__ = ["declaration", "operator", "config", "schemas", "keys"]
    DECLARATION_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    declaration: int
    operator: str
    config: bytes
    schemas: _containers.RepeatedScalarFieldContainer[bytes]
    keys: int
    def __init__(self, declaration: _Optional[int] = ..., operator: _Optional[str] = ..., config: _Optional[bytes] = ..., schemas: _Optional[_Iterable[bytes]] = ..., keys: _Optional[int] = ...) -> None: ...

class DeclareResponse(_message.Message):
    __slots__ = ["refusal", "schemas", "reads_some", "reads", "keeps"]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    READS_SOME_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    KEEPS_FIELD_NUMBER: _ClassVar[int]
    refusal: str
    schemas: _containers.RepeatedScalarFieldContainer[bytes]
    reads_some: bool
    reads: _containers.RepeatedScalarFieldContainer[int]
    keeps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, refusal: _Optional[str] = ..., schemas: _Optional[_Iterable[bytes]] = ..., reads_some: bool = ..., reads: _Optional[_Iterable[int]] = ..., keeps: _Optional[_Iterable[int]] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ["socket", "token"]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    socket: str
    token: bytes
    def __init__(self, socket: _Optional[str] = ..., token: _Optional[bytes] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Batch(_message.Message):
    __slots__ = ["number", "time", "partition", "final"]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    number: int
    time: int
    partition: int
    final: bool
    def __init__(self, number: _Optional[int] = ..., time: _Optional[int] = ..., partition: _Optional[int] = ..., final: bool = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ["id", "declaration", "method", "batch", "parts", "numbers", "blobs", "room"]
    ID_FIELD_NUMBER: _ClassVar[int]
    DECLARATION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    id: int
    declaration: int
    method: Method
    batch: Batch
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    blobs: _containers.RepeatedScalarFieldContainer[bytes]
    room: Place
    def __init__(self, id: _Optional[int] = ..., declaration: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., numbers: _Optional[_Iterable[int]] = ..., blobs: _Optional[_Iterable[bytes]] = ..., room: _Optional[_Union[Place, _Mapping]] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ["id", "more", "failure", "parts", "numbers", "blobs"]
    ID_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    id: int
    more: bool
    failure: Failure
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    blobs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, id: _Optional[int] = ..., more: bool = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., numbers: _Optional[_Iterable[int]] = ..., blobs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ["ipc", "raw", "place", "absent"]
    IPC_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    ipc: bytes
    raw: bytes
    place: Place
    absent: bool
    def __init__(self, ipc: _Optional[bytes] = ..., raw: _Optional[bytes] = ..., place: _Optional[_Union[Place, _Mapping]] = ..., absent: bool = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ["offset", "length"]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    offset: int
    length: int
    def __init__(self, offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ["kind", "text", "stack"]
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
        OPERATOR: _ClassVar[Failure.Kind]
        PROTOCOL: _ClassVar[Failure.Kind]
        END: _ClassVar[Failure.Kind]
        FENCED: _ClassVar[Failure.Kind]
    OPERATOR: Failure.Kind
    PROTOCOL: Failure.Kind
    END: Failure.Kind
    FENCED: Failure.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    kind: Failure.Kind
    text: str
    stack: str
    def __init__(self, kind: _Optional[_Union[Failure.Kind, str]] = ..., text: _Optional[str] = ..., stack: _Optional[str] = ...) -> None: ...
