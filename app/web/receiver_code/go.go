// A receiver in Go, with nothing but its standard library: WEBHOOK_SECRET=whsec_… go run go.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance   = 5 * time.Minute
	longestBody = 1024 * 1024
)

// verify says whether the bytes of a body were signed with the secret, within five minutes of now.
func verify(headers http.Header, body []byte, secret string, now time.Time) bool {
	family := "Webhook"
	if headers.Get("Webhook-Signature") == "" {
		family = "Svix"
	}
	id, timestamp := headers.Get(family+"-Id"), headers.Get(family+"-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil || len(timestamp) > 12 || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := mac.Sum(nil)
	// While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
	for _, signature := range strings.Split(headers.Get(family+"-Signature"), " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && hmac.Equal(given, expected) {
			return true
		}
	}
	return false
}

func receive(response http.ResponseWriter, request *http.Request) {
	// The bytes as they came: JSON that is parsed and written anew has another signature.
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, longestBody))
	if err != nil {
		http.Error(response, "the body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	if !verify(request.Header, body, os.Getenv("WEBHOOK_SECRET"), time.Now()) {
		http.Error(response, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	// Keep the message, then answer at once. The same id may come again: do its work only once.
	response.WriteHeader(http.StatusNoContent)
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8000"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(receive)))
}
