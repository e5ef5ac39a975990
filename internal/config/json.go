package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// json reads one JSON value; an empty file is an empty block.
func (s *source) json() *node {
	if len(bytes.TrimSpace(s.data)) == 0 {
		return &node{kind: kindMapping, pos: s.at(1, 1)}
	}
	r := jsonReader{source: s, decoder: json.NewDecoder(bytes.NewReader(s.data))}
	r.decoder.UseNumber()
	root, err := r.value("", 0)
	if err == nil {
		pos := r.next()
		if _, err = r.decoder.Token(); err == nil {
			s.bad(pos, "", "is not valid JSON: something follows the value", "keep one value in the file")
			return nil
		}
		if errors.Is(err, io.EOF) {
			return root
		}
	}
	pos := s.offset(int(r.decoder.InputOffset()))
	message := "it ends too early"
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		pos, message = s.offset(int(syntax.Offset)-1), syntax.Error()
	} else if errors.Is(err, errTooDeep) {
		s.tooDeep(pos)
		return nil
	}
	s.bad(pos, "", "is not valid JSON: "+message, "check quotes, commas and brackets; JSON has no comments")
	return nil
}

var errTooDeep = errors.New("nested too deeply")

type jsonReader struct {
	*source
	decoder *json.Decoder
}

// next returns where the next token begins.
func (r *jsonReader) next() Position {
	i := int(r.decoder.InputOffset())
	for i < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[i]) >= 0 {
		i++
	}
	return r.offset(i)
}

func (r *jsonReader) value(path string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	n := &node{pos: r.next()}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return n, r.object(n, path, depth)
		}
		return n, r.array(n, path, depth)
	case bool:
		n.kind, n.text = kindBool, "false"
		if t {
			n.text = "true"
		}
	case json.Number:
		n.kind, n.text = kindNumber, t.String()
	case string:
		n.kind, n.text = kindString, t
	}
	return n, nil
}

func (r *jsonReader) object(n *node, path string, depth int) error {
	n.kind = kindMapping
	for r.decoder.More() {
		e := &entry{pos: r.next()}
		token, err := r.decoder.Token()
		if err != nil {
			return err
		}
		e.key, _ = token.(string) // the decoder admits nothing else here
		if e.value, err = r.value(childKey(path, e.key), depth+1); err != nil {
			return err
		}
		r.add(n, path, e)
	}
	_, err := r.decoder.Token()
	return err
}

func (r *jsonReader) array(n *node, path string, depth int) error {
	n.kind = kindList
	for r.decoder.More() {
		item, err := r.value(itemKey(path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.decoder.Token()
	return err
}
