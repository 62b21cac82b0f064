//go:build tools

// Package livekit pins livekit-server, whose own module cannot be installed by `go install` for its replacements.
package livekit

import _ "github.com/livekit/livekit-server/cmd/server"
