package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// reply is what came back: a status, and everything that may be looked at.
type reply struct {
	status int
	text   string
}

// check sends every example and compares; the error counts those that differ.
func check(ctx context.Context, out io.Writer, address string, p places, all []example) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	failed, sent := 0, 0
	report := func(title string, err error) {
		sent++
		if err != nil {
			failed++
			fmt.Fprintf(out, "FAIL %s\n     %v\n", title, err)
			return
		}
		fmt.Fprintf(out, "ok   %s\n", title)
	}
	for _, e := range all {
		var got reply
		var err error
		if e.grpc {
			got, err = sendGRPC(ctx, conn, e)
		} else {
			got, err = sendHTTP(ctx, client, address, e)
		}
		if err == nil {
			err = e.compare(got)
		}
		report(e.title, err)
	}
	report("gRPC reflection, for grpcurl.", checkReflection(ctx, conn))
	report("A login at the provider, and a logout.", checkLogin(ctx, p))
	report("Logins at GitHub: of members, and of others.", checkGitHub(ctx, p))
	report("An administrator, who is one person by two logins.", checkAdministrator(ctx, p))
	if failed > 0 {
		return fmt.Errorf("%d of %d examples differ", failed, sent)
	}
	fmt.Fprintf(out, "%d examples, each as expected\n", sent)
	return nil
}

// compare returns what of got is not as e wants it.
func (e example) compare(got reply) error {
	var errs []error
	if got.status != e.want {
		errs = append(errs, fmt.Errorf("got status %d, want %d", got.status, e.want))
	}
	for _, s := range e.shows {
		if !strings.Contains(got.text, s) {
			errs = append(errs, fmt.Errorf("%s is missing", s))
		}
	}
	for _, s := range e.hides {
		if strings.Contains(got.text, s) {
			errs = append(errs, fmt.Errorf("%s should not be there", s))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, fmt.Errorf("in: %s", got.text))
	}
	return errors.Join(errs...)
}

func sendHTTP(ctx context.Context, client *http.Client, address string, e example) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+e.path, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	for _, f := range e.header {
		req.Header[f.name] = append(req.Header[f.name], f.value) // the spelling counts
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	text := string(body)
	if resp.StatusCode != http.StatusOK {
		text = strings.Join(resp.Header.Values("WWW-Authenticate"), ", ") + "\n" + text
	}
	return reply{resp.StatusCode, text}, nil
}

func sendGRPC(ctx context.Context, conn *grpc.ClientConn, e example) (reply, error) {
	echo, err := newEcho()
	if err != nil {
		return reply{}, err
	}
	md := metadata.MD{}
	for _, f := range e.header {
		md.Append(f.name, f.value)
	}
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(ctx, md))
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+e.path)
	if err != nil {
		return reply{}, err
	}
	req := dynamicpb.NewMessage(echo.request)
	req.Set(echo.request.Fields().ByName("text"), protoreflect.ValueOfString("hello"))
	// On io.EOF the status comes with the answer.
	if err := stream.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
		return reply{}, err
	}
	if err := stream.CloseSend(); err != nil {
		return reply{}, err
	}
	var text strings.Builder
	for {
		m := dynamicpb.NewMessage(echo.reply)
		err := stream.RecvMsg(m)
		if err != nil {
			code := status.Code(err)
			if errors.Is(err, io.EOF) {
				code = codes.OK
			}
			return reply{int(code), text.String() + status.Convert(err).Message()}, nil
		}
		fmt.Fprintln(&text, m.Get(echo.reply.Fields().ByName("text")))
		list := m.Get(echo.reply.Fields().ByName("metadata")).List()
		for i := range list.Len() {
			fmt.Fprintln(&text, list.Get(i))
		}
	}
}

// checkReflection asks for the list of services, without a credential.
func checkReflection(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	ask := &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: echoService},
	}
	if err := stream.Send(ask); err != nil {
		return err
	}
	got, err := stream.Recv()
	if err != nil {
		return err
	}
	if len(got.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		return fmt.Errorf("no description of %s: %s", echoService, got.GetErrorResponse().GetErrorMessage())
	}
	return nil
}
