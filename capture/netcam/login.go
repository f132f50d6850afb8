package netcam

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

// login answers a camera's demand for credentials: basic (RFC 7617), or digest
// (RFC 7616) with MD5 or SHA-256, with qop=auth or, for old cameras, none.
type login struct {
	user, password string

	scheme    string // "", "basic" or "digest": what the camera wants
	challenge params
	algorithm algorithm
	count     uint32        // requests under this nonce
	cnonce    func() string // replaced in tests
}

type algorithm struct {
	name    string
	new     func() hash.Hash
	session bool // the -sess variant
	rank    int
}

var algorithms = map[string]algorithm{
	"":             {"", md5.New, false, 1},
	"MD5":          {"MD5", md5.New, false, 1},
	"MD5-SESS":     {"MD5-sess", md5.New, true, 1},
	"SHA-256":      {"SHA-256", sha256.New, false, 2},
	"SHA-256-SESS": {"SHA-256-sess", sha256.New, true, 2},
}

// authorise adds to a request what the camera wanted last time; it returns
// whether it did.
func (l *login) authorise(req *http.Request) (bool, error) {
	switch l.scheme {
	case "basic":
		req.SetBasicAuth(l.user, l.password)
	case "digest":
		value, err := l.digest(req.Method, req.URL.RequestURI())
		if err != nil {
			return false, err
		}
		req.Header.Set("Authorization", value)
	default:
		return false, nil
	}
	return true, nil
}

// challenged takes the strongest demand that it can meet from a 401's headers.
// It returns false where the same was demanded of a request that had met it:
// then the credentials are wrong.
func (l *login) challenged(headers []string, sent bool) (again bool, err error) {
	before := l.scheme
	var seen []string
	found, rank := challenge{}, -1
	alg := algorithm{}
	for _, header := range headers {
		for _, c := range parseChallenges(header) {
			seen = append(seen, c.scheme)
			switch {
			case c.scheme == "basic" && rank < 0:
				found, rank = c, 0
			case c.scheme == "digest":
				a, ok := algorithms[strings.ToUpper(c.params["algorithm"])]
				if ok && a.rank > rank && canQop(c.params["qop"]) && c.params["nonce"] != "" {
					found, rank, alg = c, a.rank, a
				}
			}
		}
	}
	switch {
	case rank < 0 && len(seen) == 0:
		return false, errors.New("it demands a login without saying of which kind")
	case rank < 0:
		return false, fmt.Errorf("it demands a login of a kind that is not supported (%s)", strings.Join(seen, ", "))
	case l.user == "" && l.password == "":
		return false, errors.New("it demands a user name and a password, and none is configured")
	}
	// A nonce that has only grown old says nothing against the password. Not all
	// cameras say stale=true, so another nonce is tried once, too.
	fresh := found.scheme == "digest" && (strings.EqualFold(found.params["stale"], "true") || found.params["nonce"] != l.challenge["nonce"] && l.count > 1)
	l.scheme, l.challenge, l.algorithm, l.count = found.scheme, found.params, alg, 0
	return !sent || fresh || before != found.scheme, nil
}

func canQop(qop string) bool {
	if qop == "" {
		return true
	}
	for q := range strings.SplitSeq(qop, ",") {
		if strings.EqualFold(strings.TrimSpace(q), "auth") {
			return true
		}
	}
	return false
}

// digest builds an Authorization header, RFC 7616 section 3.4.
func (l *login) digest(method, uri string) (string, error) {
	sum := func(s string) string {
		h := l.algorithm.new()
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil))
	}
	realm, nonce := l.challenge["realm"], l.challenge["nonce"]
	l.count++
	nc := fmt.Sprintf("%08x", l.count)
	var cnonce string
	if l.cnonce != nil {
		cnonce = l.cnonce()
	} else {
		var b [16]byte
		rand.Read(b[:])
		cnonce = hex.EncodeToString(b[:])
	}
	a1 := l.user + ":" + realm + ":" + l.password
	if l.algorithm.session {
		a1 = sum(a1) + ":" + nonce + ":" + cnonce
	}
	a2 := method + ":" + uri
	user := l.user
	hashed := strings.EqualFold(l.challenge["userhash"], "true")
	if hashed {
		user = sum(l.user + ":" + realm)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, uri=%s, nonce=%s`, quote(user), quote(realm), quote(uri), quote(nonce))
	if l.challenge["qop"] != "" {
		fmt.Fprintf(&b, `, response="%s", qop=auth, nc=%s, cnonce="%s"`, sum(sum(a1)+":"+nonce+":"+nc+":"+cnonce+":auth:"+sum(a2)), nc, cnonce)
	} else { // RFC 2069
		fmt.Fprintf(&b, `, response="%s"`, sum(sum(a1)+":"+nonce+":"+sum(a2)))
		if l.algorithm.session {
			fmt.Fprintf(&b, `, cnonce="%s"`, cnonce)
		}
	}
	if l.algorithm.name != "" {
		fmt.Fprintf(&b, `, algorithm=%s`, l.algorithm.name)
	}
	if opaque, ok := l.challenge["opaque"]; ok {
		fmt.Fprintf(&b, `, opaque=%s`, quote(opaque))
	}
	if hashed {
		b.WriteString(`, userhash=true`)
	}
	if strings.ContainsAny(b.String(), "\r\n") {
		return "", errors.New("user name, or the camera's demand, holds a line break")
	}
	return b.String(), nil
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

type params map[string]string

// challenge is one of the demands in a WWW-Authenticate header.
type challenge struct {
	scheme string // lower case
	params params // names in lower case
}

// parseChallenges reads a WWW-Authenticate header (RFC 9110, 11.6.1), in which
// a comma separates both challenges and the parameters of one. What it cannot
// make sense of it leaves out.
func parseChallenges(s string) []challenge {
	const most = 32 // more demands, or parameters in one, no camera has
	var found []challenge
	for len(found) <= most {
		s = strings.TrimLeft(s, " \t,")
		word := token(s)
		if word == "" {
			return found
		}
		s = strings.TrimLeft(s[len(word):], " \t")
		if !strings.HasPrefix(s, "=") {
			found = append(found, challenge{strings.ToLower(word), params{}})
			continue
		}
		var value string
		s = strings.TrimLeft(s[1:], " \t")
		if strings.HasPrefix(s, `"`) {
			value, s = quoted(s[1:])
		} else {
			value = s
			if i := strings.IndexAny(s, ", \t"); i >= 0 {
				value = s[:i]
			}
			s = s[len(value):]
		}
		if n := len(found); n > 0 && len(found[n-1].params) < most {
			found[n-1].params[strings.ToLower(word)] = value
		}
	}
	return found
}

// token is the word that s begins with (RFC 9110, 5.6.2, read generously).
func token(s string) string {
	if i := strings.IndexAny(s, "=, \t\""); i >= 0 {
		return s[:i]
	}
	return s
}

// quoted reads a quoted string up to its end.
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
