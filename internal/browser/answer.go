package browser

import (
	"encoding/json"
	"net/http"
)

// A Problem is one of the few things that an error answer can say. Its texts
// are fixed: nothing of the request, of an error or of the configuration is in
// them, so whatever went wrong inside stays inside.
type Problem struct {
	// Status is the HTTP status code.
	Status int
	// Code is the gRPC status code, as in the JSON body (google.rpc.Code).
	Code int
	// Message is for programs: the JSON body, grpc-message.
	Message string
	// Title and Advice are for people: what happened, and what to do.
	Title, Advice string
}

// Statuses returns the status codes that have a [Problem], in ascending order.
func Statuses() []int {
	return []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge, http.StatusServiceUnavailable,
	}
}

// ProblemFor returns the problem with the given HTTP status code. A status that
// has none is a mistake of ours, and gets that of 503.
func ProblemFor(status int) Problem {
	switch status {
	case http.StatusBadRequest:
		return Problem{
			Status: status, Code: 3, Message: "request was not acceptable", // INVALID_ARGUMENT
			Title:  "This request does not work",
			Advice: "Something in the address or in the request cannot be accepted. Please go back and try again.",
		}
	case http.StatusUnauthorized:
		return Problem{
			Status: status, Code: 16, Message: "request was not authenticated", // UNAUTHENTICATED; Flipt's words
			Title:  "Please identify yourself",
			Advice: "This page needs to know who you are, and your request came without a valid credential. If you do not have one, please ask the people who run this site.",
		}
	case http.StatusForbidden:
		return Problem{
			Status: status, Code: 7, Message: "permission denied", // PERMISSION_DENIED
			Title:  "You do not have access",
			Advice: "This page is not open to you. If you think that it should be, please ask the people who run this site.",
		}
	case http.StatusMethodNotAllowed:
		return Problem{
			Status: status, Code: 12, Message: "method not allowed", // UNIMPLEMENTED
			Title:  "This cannot be done here",
			Advice: "The page exists, but not for this kind of request. Please go back and try another way.",
		}
	case http.StatusTooManyRequests:
		return Problem{
			Status: status, Code: 8, Message: "too many requests", // RESOURCE_EXHAUSTED
			Title:  "That was too often",
			Advice: "There were too many attempts in a short time. Please wait a little and try again.",
		}
	case http.StatusRequestHeaderFieldsTooLarge:
		return Problem{
			Status: status, Code: 8, Message: "request header is too large",
			Title:  "The request is too large",
			Advice: "Your browser sent more than we can read. Please delete the cookies of this site and try again.",
		}
	}
	return Problem{
		Status: http.StatusServiceUnavailable, Code: 14, Message: "service is temporarily unavailable", // UNAVAILABLE
		Title:  "Please try again shortly",
		Advice: "Your request cannot be checked at the moment. This is our fault, not yours; please try again in a few seconds.",
	}
}

// JSON appends the answer for programs: {"code":16,"message":"…","details":[]},
// the form of grpc-gateway, and so of Flipt.
func JSON(dst []byte, p Problem) []byte {
	body, err := json.Marshal(struct {
		Code    int        `json:"code"`
		Message string     `json:"message"`
		Details []struct{} `json:"details"`
	}{p.Code, p.Message, []struct{}{}})
	if err != nil {
		panic("browser: marshal an int and a string: " + err.Error()) // unreachable
	}
	return append(dst, body...)
}

// Plain returns the short text for a gRPC status, which Envoy takes from the
// body of a denied response.
func Plain(p Problem) string { return p.Message }

// A Header is one header of an answer.
type Header struct{ Name, Value string }

// JSONHeaders returns the headers of an answer with [JSON].
func JSONHeaders() []Header { return answerHeaders("application/json") }

// PlainHeaders returns the headers of an answer with [Plain].
func PlainHeaders() []Header { return answerHeaders("text/plain; charset=utf-8") }

// PageHeaders returns the headers of an answer with [Page].
func PageHeaders() []Header {
	return append(answerHeaders("text/html; charset=utf-8"),
		Header{"content-security-policy", PageCSP()})
}

func answerHeaders(contentType string) []Header {
	return []Header{
		{"content-type", contentType},
		{"cache-control", "no-store"},
		{"x-content-type-options", "nosniff"},
		{"referrer-policy", "no-referrer"},
	}
}
