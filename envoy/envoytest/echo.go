package envoytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The gRPC methods of [Upstream]. Both answer with the metadata that they
// received; EchoWatch keeps its stream open until the client ends it.
const (
	EchoSay   = "/envoytest.Echo/Say"
	EchoWatch = "/envoytest.Echo/Watch"
)

// newEchoServer returns a server of the two methods, described by hand: a service
// of one string needs no generated code.
func newEchoServer() *grpc.Server {
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "envoytest.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
		Streams:     []grpc.StreamDesc{{StreamName: "Watch", Handler: watch, ServerStreams: true}},
	}, struct{}{})
	return s
}

func say(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc.MethodDesc wants this order
	if err := decode(new(wrapperspb.StringValue)); err != nil {
		return nil, err
	}
	return received(ctx)
}

func watch(_ any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
		return err
	}
	m, err := received(stream.Context())
	if err != nil {
		return err
	}
	if err := stream.SendMsg(m); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func received(ctx context.Context) (*wrapperspb.StringValue, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	text, err := json.Marshal(md)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(string(text)), nil
}

// Say calls [EchoSay] at address with the metadata md, and returns the metadata
// that the upstream received. The error is the call's own, with its status.
func Say(ctx context.Context, address string, md metadata.MD) (metadata.MD, error) {
	conn, err := connectGRPC(address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reply := new(wrapperspb.StringValue)
	if err := conn.Invoke(metadata.NewOutgoingContext(ctx, md), EchoSay, wrapperspb.String("hello"), reply); err != nil {
		return nil, err
	}
	return parseMetadata(reply)
}

// A Stream is an open call of [EchoWatch].
type Stream struct {
	// Metadata is what the upstream received.
	Metadata metadata.MD

	conn   *grpc.ClientConn
	stream grpc.ClientStream
	cancel context.CancelFunc
}

// Watch calls [EchoWatch] and returns once the first message has arrived.
func Watch(ctx context.Context, address string, md metadata.MD) (*Stream, error) {
	conn, err := connectGRPC(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(ctx, md))
	s := &Stream{conn: conn, cancel: cancel}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stream) open(ctx context.Context) error {
	var err error
	s.stream, err = s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, EchoWatch)
	if err != nil {
		return err
	}
	// On io.EOF the status comes with the answer.
	if err := s.stream.SendMsg(wrapperspb.String("hello")); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := s.stream.CloseSend(); err != nil {
		return err
	}
	reply := new(wrapperspb.StringValue)
	if err := s.stream.RecvMsg(reply); err != nil {
		return err
	}
	s.Metadata, err = parseMetadata(reply)
	return err
}

// Wait blocks until the stream ends and returns why.
func (s *Stream) Wait() error { return s.stream.RecvMsg(new(wrapperspb.StringValue)) }

// Close ends the stream.
func (s *Stream) Close() {
	s.cancel()
	s.conn.Close()
}

func connectGRPC(address string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("envoytest: connect: %w", err)
	}
	return conn, nil
}

func parseMetadata(m *wrapperspb.StringValue) (metadata.MD, error) {
	md := metadata.MD{}
	if err := json.Unmarshal([]byte(m.GetValue()), &md); err != nil {
		return nil, fmt.Errorf("envoytest: parse echo: %w", err)
	}
	return md, nil
}
