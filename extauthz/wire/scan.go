package wire

// Scan fills v from the wire form of an envoy.service.auth.v3.CheckRequest. It
// allocates only to grow v.Headers. Fields that it does not know are skipped,
// and what it does not look into is not checked.
//
// A singular message that occurs more than once is merged, as protobuf
// demands, because the scan goes on writing into the same view. A map key that
// occurs twice in headers is kept twice, which is stricter than protobuf's
// last one wins.
//
// The errors are ErrMalformed, ErrTooLarge and ErrNoHTTP. After ErrNoHTTP the
// view holds what there was.
func Scan(b []byte, v *View) error {
	v.reset()
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if f.num == 1 && f.bytes {
			if err := scanAttributes(f.in(b), v); err != nil {
				return err
			}
		}
	}
	if !v.http {
		return ErrNoHTTP
	}
	return nil
}

// scanAttributes reads an AttributeContext: source=1, request=4,
// context_extensions=10.
func scanAttributes(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if !f.bytes {
			continue
		}
		var err error
		switch f.num {
		case 1:
			err = scanPeer(f.in(b), v)
		case 4:
			err = scanRequest(f.in(b), v)
		case 10:
			err = scanExtension(f.in(b), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scanPeer reads an AttributeContext.Peer: address=1, principal=4.
func scanPeer(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		switch {
		case f.num == 1 && f.bytes:
			if err := scanAddress(f.in(b), v); err != nil {
				return err
			}
		case f.num == 4 && f.bytes:
			v.Principal = f.in(b)
		}
	}
	return nil
}

// scanAddress reads a core.v3.Address: socket_address=1 {address=2}.
func scanAddress(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if f.num != 1 || !f.bytes {
			continue
		}
		socket := f.in(b)
		for j := 0; j < len(socket); {
			f, next := fieldAt(socket, j)
			if next < 0 {
				return ErrMalformed
			}
			j = next
			if f.num == 2 && f.bytes {
				v.SourceAddress = f.in(socket)
			}
		}
	}
	return nil
}

// scanExtension reads one entry of context_extensions.
func scanExtension(b []byte, v *View) error {
	key, value, ok := scanPair(b, false)
	if !ok {
		return ErrMalformed
	}
	if string(key) == RuleKey {
		v.Rule, v.RuleNamed = value, true
	}
	return nil
}

// scanRequest reads an AttributeContext.Request: http=2.
func scanRequest(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if f.num == 2 && f.bytes {
			v.http = true
			if err := scanHTTP(f.in(b), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanHTTP reads an AttributeContext.HttpRequest: id=1, method=2, headers=3,
// path=4, host=5, scheme=6, header_map=13.
func scanHTTP(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if !f.bytes {
			continue
		}
		var err error
		switch f.num {
		case 1:
			v.StreamID = f.in(b)
		case 2:
			v.Method = f.in(b)
		case 3:
			err = v.addHeader(f.in(b), false)
		case 4:
			v.Path = f.in(b)
		case 5:
			v.Host = f.in(b)
		case 6:
			v.Scheme = f.in(b)
		case 13:
			err = scanHeaderMap(f.in(b), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scanHeaderMap reads a core.v3.HeaderMap: headers=1.
func scanHeaderMap(b []byte, v *View) error {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return ErrMalformed
		}
		i = next
		if f.num == 1 && f.bytes {
			if err := v.addHeader(f.in(b), true); err != nil {
				return err
			}
		}
	}
	return nil
}

// addHeader reads an entry of headers, or with raw a core.v3.HeaderValue.
func (v *View) addHeader(b []byte, raw bool) error {
	name, value, ok := scanPair(b, raw)
	if !ok {
		return ErrMalformed
	}
	v.headerBytes += len(name) + len(value)
	if v.headerBytes > MaxHeaderBytes || len(v.Headers) >= MaxHeaders {
		return ErrTooLarge
	}
	if len(name) > 0 && name[0] == ':' {
		return nil // Envoy leaves them out under allowed_headers; the attributes say the same
	}
	v.Headers = append(v.Headers, Header{name, value})
	return nil
}

// scanPair reads key=1 and value=2 of a map entry. With raw it reads a
// HeaderValue, which may have raw_value=3 instead of value.
func scanPair(b []byte, raw bool) (key, value []byte, ok bool) {
	for i := 0; i < len(b); {
		f, next := fieldAt(b, i)
		if next < 0 {
			return nil, nil, false
		}
		i = next
		if !f.bytes {
			continue
		}
		switch f.num {
		case 1:
			key = f.in(b)
		case 2:
			value = f.in(b)
		case 3:
			if raw && f.hi > f.lo {
				value = f.in(b)
			}
		}
	}
	return key, value, true
}

// A field is a decoded tag and, when bytes is set, where its value lies.
type field struct {
	num    uint64
	lo, hi int
	bytes  bool
}

func (f field) in(b []byte) []byte { return b[f.lo:f.hi:f.hi] }

// fieldAt decodes the field at b[i:], and returns it with the index of the
// next one, or -1. Nearly all tags and lengths of a CheckRequest take one
// byte, which is why this is not protowire's general form. Groups do not occur
// in the schema and are malformed.
func fieldAt(b []byte, i int) (f field, next int) {
	tag := uint64(b[i])
	i++
	if tag >= 0x80 {
		if tag, i = uvarint(b, i-1); i < 0 {
			return field{}, -1
		}
	}
	f.num = tag >> 3
	if f.num == 0 || f.num > 1<<29-1 {
		return field{}, -1
	}
	switch tag & 7 {
	case 2:
		n := uint64(0x80)
		if i < len(b) {
			n = uint64(b[i])
			i++
		}
		if n >= 0x80 {
			if n, i = uvarint(b, i-1); i < 0 {
				return field{}, -1
			}
		}
		if n > uint64(len(b)-i) { //nolint:gosec // i never passes len(b)
			return field{}, -1
		}
		f.bytes, f.lo, f.hi = true, i, i+int(n)
		return f, f.hi
	case 0:
		if _, i = uvarint(b, i); i < 0 {
			return field{}, -1
		}
		return f, i
	case 1:
		i += 8
	case 5:
		i += 4
	default:
		return field{}, -1
	}
	if i > len(b) {
		return field{}, -1
	}
	return f, i
}

// uvarint decodes a varint of up to ten bytes at b[i:].
func uvarint(b []byte, i int) (x uint64, next int) {
	for shift := uint(0); shift < 70; shift += 7 {
		if i >= len(b) {
			return 0, -1
		}
		c := b[i]
		i++
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, -1
			}
			return x | uint64(c)<<shift, i
		}
		x |= uint64(c&0x7f) << shift
	}
	return 0, -1
}
