package outbound

import "testing"

// The address that a name resolves to is judged where it is dialled, because
// only there it is known; no name can be made to resolve badly in a test.
func TestSEC_Q08_checkPeer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		address      string
		https, plain bool
	}{
		{"192.0.2.1:443", true, false},
		{"10.0.0.1:443", true, false},
		{"[2001:db8::1]:443", true, false},
		{"127.0.0.1:80", true, true},
		{"[::1]:80", true, true},
		{"[::ffff:127.0.0.1]:80", true, true},
		{"169.254.169.254:443", false, false},
		{"[::ffff:169.254.169.254]:443", false, false},
		{"[fe80::1%eth0]:443", false, false},
		{"[fd00:ec2::254]:443", false, false},
		{"localhost:443", false, false},
		{"", false, false},
	} {
		if err := checkPeer(tc.address, false); (err == nil) != tc.https {
			t.Errorf("https to %q: %v", tc.address, err)
		}
		if err := checkPeer(tc.address, true); (err == nil) != tc.plain {
			t.Errorf("http to %q: %v", tc.address, err)
		}
	}
}
