package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec for all other messages
	"google.golang.org/grpc/mem"
)

// A Raw is a CheckRequest that was left as bytes. It may be reused.
type Raw struct {
	View View
	// Err is what Scan had to say. It is kept here, because an error from the
	// codec would reach Envoy as a failed call, which failure_mode_allow turns
	// into an allow.
	Err error

	buf mem.Buffer
}

// Free gives the bytes back to gRPC's pool; the View is invalid afterwards.
func (r *Raw) Free() {
	if r.buf != nil {
		r.buf.Free()
		r.buf = nil
	}
	r.View.reset()
	r.Err = nil
}

func (r *Raw) fill(data mem.BufferSlice) {
	if len(data) == 1 {
		data[0].Ref()
		r.buf = data[0]
	} else {
		r.buf = data.MaterializeToBuffer(mem.DefaultBufferPool())
	}
	r.Err = Scan(r.buf.ReadOnlyData(), &r.View)
}

// Codec is a gRPC codec that scans check requests into a *Raw and passes an
// [Encoded] through; every other message goes to the ordinary codec, so health
// checking works on the same server.
type Codec struct{ proto encoding.CodecV2 }

// NewCodec returns the codec.
func NewCodec() Codec { return Codec{encoding.GetCodecV2("proto")} }

// Name is the content subtype.
func (Codec) Name() string { return "proto" }

// Marshal implements [encoding.CodecV2].
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	if e, ok := v.(Encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(e)}, nil
	}
	b, err := c.proto.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("wire: marshal %T: %w", v, err)
	}
	return b, nil
}

// Unmarshal implements [encoding.CodecV2].
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*Raw); ok {
		r.fill(data)
		return nil
	}
	if err := c.proto.Unmarshal(data, v); err != nil {
		return fmt.Errorf("wire: unmarshal %T: %w", v, err)
	}
	return nil
}
