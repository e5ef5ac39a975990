package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The gRPC service, spelled out so that the demo needs no generated code:
//
//	service Echo {
//	  rpc Say(Request) returns (Reply);
//	  rpc Count(Request) returns (stream Reply);   // three replies
//	}
//	message Request { string text = 1; }
//	message Reply { string text = 1; repeated string metadata = 2; }   // "name: value"
const (
	echoService = "gateward.demo.v1.Echo"
	echoFile    = `
name: "gateward/demo/v1/echo.proto" package: "gateward.demo.v1" syntax: "proto3"
message_type { name: "Request" field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "text" } }
message_type { name: "Reply"
  field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "text" }
  field { name: "metadata" number: 2 type: TYPE_STRING label: LABEL_REPEATED json_name: "metadata" } }
service { name: "Echo"
  method { name: "Say" input_type: ".gateward.demo.v1.Request" output_type: ".gateward.demo.v1.Reply" }
  method { name: "Count" input_type: ".gateward.demo.v1.Request" output_type: ".gateward.demo.v1.Reply" server_streaming: true } }`
)

// echo describes the service's messages.
type echo struct {
	files          *protoregistry.Files
	request, reply protoreflect.MessageDescriptor
}

func newEcho() (*echo, error) {
	file := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(echoFile), file); err != nil {
		return nil, fmt.Errorf("parse the description of %s: %w", echoService, err)
	}
	d, err := protodesc.NewFile(file, nil)
	if err != nil {
		return nil, fmt.Errorf("check the description of %s: %w", echoService, err)
	}
	e := &echo{new(protoregistry.Files), d.Messages().ByName("Request"), d.Messages().ByName("Reply")}
	return e, e.files.RegisterFile(d)
}

// newEchoServer returns a gRPC server with the service and with reflection, so
// that grpcurl works without a description.
func newEchoServer() (*grpc.Server, error) {
	e, err := newEcho()
	if err != nil {
		return nil, err
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: echoService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: e.say}},
		Streams:     []grpc.StreamDesc{{StreamName: "Count", Handler: e.count, ServerStreams: true}},
		Metadata:    "gateward/demo/v1/echo.proto",
	}, e)
	options := reflection.ServerOptions{Services: s, DescriptorResolver: resolver{e.files, protoregistry.GlobalFiles}}
	reflectionv1.RegisterServerReflectionServer(s, reflection.NewServerV1(options))
	reflectionv1alpha.RegisterServerReflectionServer(s, reflection.NewServer(options))
	return s, nil
}

func (e *echo) say(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc.MethodDesc wants this order
	req := dynamicpb.NewMessage(e.request)
	if err := decode(req); err != nil {
		return nil, err
	}
	return e.newReply(ctx, e.text(req)), nil
}

func (e *echo) count(_ any, stream grpc.ServerStream) error {
	req := dynamicpb.NewMessage(e.request)
	if err := stream.RecvMsg(req); err != nil {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := range 3 {
		if err := stream.SendMsg(e.newReply(stream.Context(), fmt.Sprintf("%s %d", e.text(req), n+1))); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	return nil
}

func (e *echo) text(req *dynamicpb.Message) string {
	return req.Get(e.request.Fields().ByName("text")).String()
}

// newReply returns a Reply with text and the metadata of the call.
func (e *echo) newReply(ctx context.Context, text string) proto.Message {
	m := dynamicpb.NewMessage(e.reply)
	m.Set(e.reply.Fields().ByName("text"), protoreflect.ValueOfString(text))
	list := m.Mutable(e.reply.Fields().ByName("metadata")).List()
	md, _ := metadata.FromIncomingContext(ctx)
	for _, line := range lines(md) {
		list.Append(protoreflect.ValueOfString(line))
	}
	return m
}

// lines returns what gRPC received, in order of the names, as "name: value".
func lines(md metadata.MD) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(md)) {
		for _, v := range md[name] {
			out = append(out, strings.ToValidUTF8(name+": "+v, "?"))
		}
	}
	return out
}

// resolver looks descriptors up in one registry after the other: ours, and the
// one that holds the reflection service itself.
type resolver []*protoregistry.Files

// FindFileByPath implements [protodesc.Resolver].
func (r resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	for _, files := range r {
		if d, err := files.FindFileByPath(path); err == nil {
			return d, nil
		}
	}
	return nil, protoregistry.NotFound
}

// FindDescriptorByName implements [protodesc.Resolver].
func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	for _, files := range r {
		if d, err := files.FindDescriptorByName(name); err == nil {
			return d, nil
		}
	}
	return nil, protoregistry.NotFound
}
