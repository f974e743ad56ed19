package transport

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// Version of the protocol between processes of one job. They are the same binary, so it only guards against strangers.
const Version = 1

// magic begins every hello.
const magic = "millrace"

// Role is what a connection is for.
type Role uint8

// The roles: control carries messages between driver and executor, blocks carries shuffled data between executors.
const (
	Control Role = 1
	Blocks  Role = 2
)

func (r Role) String() string {
	switch r {
	case Control:
		return "control"
	case Blocks:
		return "blocks"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// ErrToken is in the chain of a handshake's error when the two sides do not know the same token.
var ErrToken = errors.New("the token differs")

// hello opens a connection, in both directions. A proof is HMAC-SHA256 over side, role and both nonces, keyed with the token,
// which itself never travels.
type hello struct {
	Magic   string
	Version int
	Role    Role
	Name    string // of the dialing executor, for messages
	Nonce   []byte
	Proof   []byte // the listener's; the dialer's follows in its second frame
	Refusal string
}

const (
	kindHello byte = 255
	kindProof byte = 254
	kindReady byte = 253
)

func newNonce() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

func proof(token []byte, side string, role Role, client, server []byte) []byte {
	m := hmac.New(sha256.New, token)
	_, _ = fmt.Fprintf(m, "%s %s %d %d\n", magic, side, Version, role)
	_, _ = m.Write(client)
	_, _ = m.Write(server)
	return m.Sum(nil)
}

// shake is the dialing side: it says hello, checks the listener's proof and gives its own.
func shake(rw io.ReadWriter, role Role, name string, token []byte) error {
	mine := hello{Magic: magic, Version: Version, Role: role, Name: name, Nonce: newNonce()}
	if err := sendHello(rw, mine); err != nil {
		return err
	}
	theirs, err := readHello(rw)
	if err != nil {
		return err
	}
	if theirs.Refusal != "" {
		return errors.New(theirs.Refusal)
	}
	if !hmac.Equal(theirs.Proof, proof(token, "listener", role, mine.Nonce, theirs.Nonce)) {
		return fmt.Errorf("the listener does not prove that it knows the token: %w", ErrToken)
	}
	if err := writeFrame(rw, MaxHello, kindProof, proof(token, "dialer", role, mine.Nonce, theirs.Nonce)); err != nil {
		return err
	}
	kind, payload, err := readFrame(rw, MaxHello)
	if err != nil {
		return fmt.Errorf("the listener did not accept the token: %w", errors.Join(ErrToken, err))
	}
	if kind != kindReady {
		return fmt.Errorf("the listener refused: %s", payload)
	}
	return nil
}

// greet is the listening side.
func greet(rw io.ReadWriter, token []byte) (role Role, name string, err error) {
	theirs, err := readHello(rw)
	if err != nil {
		return 0, "", err
	}
	mine := hello{Magic: magic, Version: Version, Role: theirs.Role, Nonce: newNonce()}
	switch {
	case theirs.Version != Version:
		mine.Refusal = fmt.Sprintf("protocol version %d is spoken here, not %d: start driver and executors from the same binary", Version, theirs.Version)
	case theirs.Role != Control && theirs.Role != Blocks:
		mine.Refusal = fmt.Sprintf("unknown %s", theirs.Role)
	case len(theirs.Nonce) != 32:
		mine.Refusal = "a nonce has 32 bytes"
	}
	if mine.Refusal == "" {
		mine.Proof = proof(token, "listener", theirs.Role, theirs.Nonce, mine.Nonce)
	}
	if err := sendHello(rw, mine); err != nil {
		return 0, "", err
	}
	if mine.Refusal != "" {
		return 0, "", errors.New(mine.Refusal)
	}
	kind, got, err := readFrame(rw, MaxHello)
	if err != nil {
		return 0, "", err
	}
	if kind != kindProof || !hmac.Equal(got, proof(token, "dialer", theirs.Role, theirs.Nonce, mine.Nonce)) {
		return 0, "", fmt.Errorf("%s does not prove that it knows the token: %w", theirs.Name, ErrToken)
	}
	return theirs.Role, theirs.Name, writeFrame(rw, MaxHello, kindReady)
}

func sendHello(w io.Writer, h hello) error {
	b, err := cbor.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	return writeFrame(w, MaxHello, kindHello, b)
}

func readHello(r io.Reader) (hello, error) {
	var h hello
	kind, b, err := readFrame(r, MaxHello)
	if err != nil {
		return h, fmt.Errorf("hello: %w", err)
	}
	if kind != kindHello {
		return h, errors.New("hello expected: the other side is not millrace")
	}
	if err := Decode(b, &h); err != nil {
		return h, fmt.Errorf("hello: %w", err)
	}
	if h.Magic != magic {
		return h, errors.New("hello expected: the other side is not millrace")
	}
	return h, nil
}
