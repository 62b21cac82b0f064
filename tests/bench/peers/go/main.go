// A token endpoint on net/http and livekit/protocol/auth, as in LiveKit's documented Go example but with 201 and with
// errors answered. Without arguments one process; with "front" and "back" the same in two, with grpc-go between them.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
)

func getenv(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

// issuer answers a token request.
type issuer func(request *http.Request, body *livekit.TokenSourceRequest) (*livekit.TokenSourceResponse, error)

// signer makes tokens with LiveKit's package.
type signer struct{ key, secret, url string }

func newSigner() *signer {
	return &signer{getenv("LIVEKIT_API_KEY"), getenv("LIVEKIT_API_SECRET"), getenv("LIVEKIT_URL")}
}

func (s *signer) issue(body *livekit.TokenSourceRequest) (*livekit.TokenSourceResponse, error) {
	room, identity := body.GetRoomName(), body.GetParticipantIdentity()
	if room == "" {
		room = "room"
	}
	if identity == "" {
		identity = "user"
	}
	token := auth.NewAccessToken(s.key, s.secret).
		SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: room}).
		SetIdentity(identity).
		SetName(body.GetParticipantName()).
		SetMetadata(body.GetParticipantMetadata()).
		SetAttributes(body.GetParticipantAttributes()).
		SetRoomConfig(body.GetRoomConfig())
	jwt, err := token.ToJWT()
	if err != nil {
		return nil, err
	}
	return &livekit.TokenSourceResponse{ServerUrl: s.url, ParticipantToken: jwt}, nil
}

func endpoint(issue issuer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body livekit.TokenSourceRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		answer, err := issue(r, &body)
		if err != nil {
			http.Error(w, "no token", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func serve(issue issuer) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /getToken", endpoint(issue))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+getenv("PORT"), mux))
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "back":
		serveGRPC(newSigner())
	case "front":
		serve(dial())
	default:
		signer := newSigner()
		serve(func(_ *http.Request, body *livekit.TokenSourceRequest) (*livekit.TokenSourceResponse, error) {
			return signer.issue(body)
		})
	}
}
