package page_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/gateward/gateward/loginsvc/page"
)

// parse returns the tree of a document.
func parse(t *testing.T, d page.Document) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(d.HTML))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// elements yields the elements below n, in order.
func elements(n *html.Node) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for e := range n.Descendants() {
			if e.Type == html.ElementNode && !yield(e) {
				return
			}
		}
	}
}

// all returns the elements below n with one of the tags.
func all(n *html.Node, tags ...string) []*html.Node {
	var found []*html.Node
	for e := range elements(n) {
		if slices.Contains(tags, e.Data) {
			found = append(found, e)
		}
	}
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// words returns the text below n, in one line.
func words(n *html.Node) string {
	var b strings.Builder
	for e := range n.Descendants() {
		if e.Type == html.TextNode {
			b.WriteString(e.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// skeleton returns what a page is made of: elements and attributes, without the
// texts and without the values that come from a view.
func skeleton(root *html.Node) string {
	ours := []string{"class", "role", "id", "name", "method", "type", "rel", "aria-label", "aria-labelledby", "aria-hidden", "lang"}
	var b strings.Builder
	for e := range elements(root) {
		depth := 0
		for range e.Ancestors() {
			depth++
		}
		fmt.Fprintf(&b, "%d %s", depth, e.Data)
		for _, a := range e.Attr {
			b.WriteString(" " + a.Key)
			if slices.Contains(ours, a.Key) {
				b.WriteString("=" + a.Val)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// unbalanced returns what a parser would have to repair: a tag that is not
// closed, or closed without having been opened.
func unbalanced(document []byte) error {
	void := []string{"meta", "img", "br", "hr", "input", "link"}
	var open []string
	z := html.NewTokenizer(bytes.NewReader(document))
	for {
		kind := z.Next()
		name, _ := z.TagName()
		tag := string(name)
		switch kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				return z.Err()
			}
			if len(open) > 0 {
				return fmt.Errorf("not closed: %q", open)
			}
			return nil
		case html.StartTagToken:
			if !slices.Contains(void, tag) {
				open = append(open, tag)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != tag {
				return fmt.Errorf("</%s> within %q", tag, open)
			}
			open = open[:len(open)-1]
		}
	}
}
