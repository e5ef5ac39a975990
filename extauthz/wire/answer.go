package wire

import "google.golang.org/protobuf/encoding/protowire"

// Encoded is a CheckResponse on the wire. It is never written to once made, so
// one may be sent many times.
type Encoded []byte

// Field numbers of OkHttpResponse and DeniedHttpResponse.
const (
	fieldHeader         = 2 // headers, in both
	fieldHeaderToRemove = 5
	fieldDeniedStatus   = 1
	fieldDeniedBody     = 3
)

// The oneof http_response of CheckResponse.
const (
	fieldDenied = 2
	fieldOK     = 3
	fieldError  = 5
)

const fieldMetadata = 4

// AppendHeader appends to the fields of an OkHttpResponse or a
// DeniedHttpResponse that header name is value. On the way upstream it
// overwrites whatever the client sent.
//
// The value travels in value, not raw_value, which Envoy ignores; append stays
// unset and append_action is OVERWRITE_IF_EXISTS_OR_ADD, which is the form
// that every version reads alike. Name and value must be valid UTF-8 and free
// of control characters.
func AppendHeader(dst []byte, name, value string) []byte {
	pair := sizeBytes(1, len(name)) + sizeBytes(2, len(value))
	dst = appendLength(dst, fieldHeader, sizeBytes(1, pair)+2)
	dst = appendLength(dst, 1, pair)
	dst = appendString(dst, 1, name)
	dst = appendString(dst, 2, value)
	return append(dst, 3<<3, 2) // append_action: OVERWRITE_IF_EXISTS_OR_ADD
}

// AppendHeaderBytes is AppendHeader for a value that is not a string.
func AppendHeaderBytes(dst []byte, name string, value []byte) []byte {
	pair := sizeBytes(1, len(name)) + sizeBytes(2, len(value))
	dst = appendLength(dst, fieldHeader, sizeBytes(1, pair)+2)
	dst = appendLength(dst, 1, pair)
	dst = appendString(dst, 1, name)
	dst = appendLength(dst, 2, len(value))
	dst = append(dst, value...)
	return append(dst, 3<<3, 2)
}

// AppendRemoval appends to the fields of an OkHttpResponse that header name is
// removed on the way upstream. Removals run after headers are set, so a name
// that is set is never removed as well.
func AppendRemoval[T string | []byte](dst []byte, name T) []byte {
	dst = appendLength(dst, fieldHeaderToRemove, len(name))
	return append(dst, name...)
}

// AppendAllow appends a CheckResponse with status OK and an OkHttpResponse
// made of the fields in parts; metadata are the fields of a Struct, the
// dynamic metadata, or empty.
func AppendAllow(dst, metadata []byte, parts ...[]byte) Encoded {
	// status: {code: 0}. An unset status is an allow as well; it is written so
	// that an answer never depends on that.
	dst = append(dst, 1<<3|2, 0)
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = appendLength(dst, fieldOK, n)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return appendMetadata(dst, metadata)
}

// A Refusal is a CheckResponse that is no allow.
type Refusal struct {
	// Code is the google.rpc code of status; never 0, which would allow.
	Code int32
	// Status is the HTTP status; always set, since Envoy passes on anything.
	Status int
	// Error makes it an error_response, about which failure_mode_allow
	// decides, instead of a denied_response, which is final.
	Error bool
}

// AppendRefusal appends a refusal whose DeniedHttpResponse has the header
// fields in headers and the body body. It panics on a code or HTTP status that
// is no refusal, because such an answer would open the door.
func AppendRefusal(dst []byte, r Refusal, metadata, body []byte, headers ...[]byte) Encoded {
	if r.Code <= 0 || r.Status < 300 || r.Status > 599 || r.Status == 304 {
		panic("wire: a refusal with a code or status that allows")
	}
	code := uint64(r.Code)
	status := uint64(r.Status)
	dst = appendLength(dst, 1, 1+protowire.SizeVarint(code))
	dst = append(dst, 1<<3)
	dst = protowire.AppendVarint(dst, code)

	inner := 1 + protowire.SizeVarint(status)
	n := sizeBytes(fieldDeniedStatus, inner)
	for _, h := range headers {
		n += len(h)
	}
	if len(body) > 0 {
		n += sizeBytes(fieldDeniedBody, len(body))
	}
	kind := protowire.Number(fieldDenied)
	if r.Error {
		kind = fieldError
	}
	dst = appendLength(dst, kind, n)
	dst = appendLength(dst, fieldDeniedStatus, inner)
	dst = append(dst, 1<<3)
	dst = protowire.AppendVarint(dst, status)
	for _, h := range headers {
		dst = append(dst, h...)
	}
	if len(body) > 0 {
		dst = appendLength(dst, fieldDeniedBody, len(body))
		dst = append(dst, body...)
	}
	return appendMetadata(dst, metadata)
}

// AppendMetadataString appends a field of a google.protobuf.Struct: a string.
func AppendMetadataString(dst []byte, key, value string) []byte {
	v := sizeBytes(3, len(value)) // Value.string_value
	dst = appendEntry(dst, key, v)
	return appendString(dst, 3, value)
}

// AppendMetadataList appends a field of a google.protobuf.Struct: a list of
// strings.
func AppendMetadataList(dst []byte, key string, values []string) []byte {
	list := 0
	for _, s := range values {
		list += sizeBytes(1, sizeBytes(3, len(s)))
	}
	dst = appendEntry(dst, key, sizeBytes(6, list)) // Value.list_value
	dst = appendLength(dst, 6, list)
	for _, s := range values {
		dst = appendLength(dst, 1, sizeBytes(3, len(s)))
		dst = appendString(dst, 3, s)
	}
	return dst
}

// AppendMetadataStruct appends a field of a google.protobuf.Struct: a Struct
// of the fields in parts.
func AppendMetadataStruct(dst []byte, key string, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = appendEntry(dst, key, sizeBytes(5, n)) // Value.struct_value
	dst = appendLength(dst, 5, n)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// appendEntry opens an entry of Struct.fields (1) whose Value has n bytes.
func appendEntry(dst []byte, key string, n int) []byte {
	dst = appendLength(dst, 1, sizeBytes(1, len(key))+sizeBytes(2, n))
	dst = appendString(dst, 1, key)
	return appendLength(dst, 2, n)
}

func appendMetadata(dst, fields []byte) Encoded {
	if len(fields) == 0 {
		return dst
	}
	dst = appendLength(dst, fieldMetadata, len(fields))
	return append(dst, fields...)
}

func appendLength(dst []byte, num protowire.Number, n int) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendVarint(dst, uint64(n)) //nolint:gosec // a length
}

func appendString(dst []byte, num protowire.Number, s string) []byte {
	return append(appendLength(dst, num, len(s)), s...)
}

func sizeBytes(num protowire.Number, n int) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(n)
}
