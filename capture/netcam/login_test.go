package netcam

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// The examples of RFC 7616, section 3.9, RFC 2617, section 3.5, and a
// computation of RFC 2069's form by hand.
func TestDigestExamples(t *testing.T) {
	const rfc7616 = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for _, test := range []struct {
		name, header, password, cnonce, response, nc string
	}{
		{"SHA-256", rfc7616, "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", "00000001"},
		{"MD5", strings.Replace(rfc7616, "SHA-256", "MD5", 1), "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			"8ca523f5e9506fed4657c9700eebdbec", "00000001"},
		{"RFC 2617", `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1", "00000001"},
		{"RFC 2069", `Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Circle Of Life", "", "670fd8c2df070c60b045671b8b24ff02", ""},
	} {
		l := login{user: "Mufasa", password: test.password, cnonce: func() string { return test.cnonce }}
		if again, err := l.challenged([]string{test.header}, false); !again || err != nil {
			t.Fatalf("%s: %v, %v", test.name, again, err)
		}
		req, _ := http.NewRequest("GET", "http://www.example.org/dir/index.html", nil)
		l.authorise(req)
		got := parseChallenges(req.Header.Get("Authorization"))[0].params
		if got["response"] != test.response || got["nc"] != test.nc || got["username"] != "Mufasa" || got["opaque"] == "" || got["uri"] != "/dir/index.html" {
			t.Errorf("%s: %s", test.name, req.Header.Get("Authorization"))
		}
	}
}

func TestParseChallenges(t *testing.T) {
	for _, test := range []struct {
		header string
		want   []challenge
	}{
		{`Basic realm="a camera"`, []challenge{{"basic", params{"realm": "a camera"}}}},
		{`Digest realm="a, \"b\" = c",nonce=xyz , qop = "auth,auth-int", Basic realm=b`, []challenge{
			{"digest", params{"realm": `a, "b" = c`, "nonce": "xyz", "qop": "auth,auth-int"}}, {"basic", params{"realm": "b"}}}},
		{`Negotiate, NTLM`, []challenge{{"negotiate", params{}}, {"ntlm", params{}}}},
		{``, nil},
		{`realm="no scheme"`, nil},
		{`Basic realm="no end`, []challenge{{"basic", params{"realm": "no end"}}}},
		{`,,= "`, nil},
	} {
		if got := parseChallenges(test.header); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", test.header, got, test.want)
		}
	}
}

func TestChallenged(t *testing.T) {
	const md5 = `Digest realm="r", nonce="1", qop="auth"`
	const sha = `Digest realm="r", nonce="2", qop="auth", algorithm=SHA-256`
	for _, test := range []struct {
		name    string
		headers []string
		scheme  string
		rank    int
		err     string
	}{
		{"the strongest", []string{`Basic realm="r"`, md5, sha}, "digest", 2, ""},
		{"the strongest, in one line", []string{md5 + ", " + sha + `, Basic realm="r"`}, "digest", 2, ""},
		{"basic alone", []string{`Basic realm="r"`}, "basic", 0, ""},
		{"an unknown algorithm beside basic", []string{`Digest realm="r", nonce="1", algorithm=SHA-512-256`, `Basic realm="r"`}, "basic", 0, ""},
		{"only auth-int", []string{`Digest realm="r", nonce="1", qop="auth-int"`}, "", 0, "not supported (digest)"},
		{"NTLM", []string{"NTLM"}, "", 0, "not supported (ntlm)"},
		{"nothing", nil, "", 0, "without saying"},
	} {
		l := login{user: "u", password: "p"}
		_, err := l.challenged(test.headers, false)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || l.scheme != test.scheme || l.algorithm.rank != test.rank {
			t.Errorf("%s: %q, rank %d, %v", test.name, l.scheme, l.algorithm.rank, err)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Digest realm="a, \"b\" = c",nonce=xyz , qop = "auth,auth-int", Basic realm=b`)
	f.Add(`=,=","\`)
	f.Fuzz(func(t *testing.T, s string) {
		total := 0
		for _, c := range parseChallenges(s) {
			total += len(c.scheme)
			for k, v := range c.params {
				total += len(k) + len(v)
			}
		}
		if total > 4*len(s) {
			t.Errorf("%d bytes out of %d", total, len(s))
		}
	})
}
