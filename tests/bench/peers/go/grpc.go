package main

import (
	"context"
	"log"
	"net"
	"net/http"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const method = "/bench.Tokens/Issue"

func issueOverGRPC(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	body := &livekit.TokenSourceRequest{}
	if err := decode(body); err != nil {
		return nil, err
	}
	return srv.(*signer).issue(body)
}

// serveGRPC is the back end: it holds the key and listens on GRPC_PORT.
func serveGRPC(s *signer) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+getenv("GRPC_PORT"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Tokens",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Issue", Handler: issueOverGRPC}},
	}, s)
	log.Fatal(server.Serve(listener))
}

// dial is the front end's connection to the back end: one, which all requests share.
func dial() issuer {
	connection, err := grpc.NewClient("127.0.0.1:"+getenv("GRPC_PORT"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return func(r *http.Request, body *livekit.TokenSourceRequest) (*livekit.TokenSourceResponse, error) {
		answer := &livekit.TokenSourceResponse{}
		return answer, connection.Invoke(r.Context(), method, body, answer)
	}
}
