package publish

import (
	"math/rand/v2"
	"time"
)

// Backoff says how connecting is tried again: after pauses drawn at random
// between zero and a bound that grows (full jitter), so that many cameras do
// not come back at once.
type Backoff struct {
	First   time.Duration // the first bound; 1 s
	Factor  float64       // by which it grows; 2
	Longest time.Duration // its limit; 5 min
	Stable  time.Duration // a link that lived so long begins anew with First; 60 s
	Refused time.Duration // the pause after a refusal of user or client id; 5 min
}

func (b *Backoff) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&b.First, time.Second)
	def(&b.Longest, 5*time.Minute)
	def(&b.Stable, time.Minute)
	def(&b.Refused, 5*time.Minute)
	if b.Factor < 1 {
		b.Factor = 2
	}
}

// retries is where the pauses have got to.
type retries struct {
	o     Backoff
	bound time.Duration
	n     int // tries since the last stable link

	said   string // the failure told last, and n then
	saidN  int
	thrown int // links in a row that the broker closed soon
}

// next returns the next pause.
func (r *retries) next() time.Duration {
	r.n++
	if r.bound == 0 {
		r.bound = r.o.First
	} else {
		r.bound = min(r.o.Longest, time.Duration(float64(r.bound)*r.o.Factor))
	}
	return rand.N(r.bound + 1)
}

// refused returns the pause after a refusal: long, a tenth of it random.
func (r *retries) refused() time.Duration {
	return r.o.Refused - rand.N(r.o.Refused/10+1)
}

// lived tells how long a link held. One that broke early does not reset the
// pauses: a broker that accepts and then drops gets longer and longer ones.
func (r *retries) lived(d time.Duration) {
	if d >= r.o.Stable {
		r.bound, r.n, r.said = 0, 0, ""
	}
}

func (r *retries) failed() int { return r.n }

// news tells whether a failure is worth a warning: another reason than the last
// one told, or the number of tries has doubled since.
func (r *retries) news(err error) bool {
	if text := err.Error(); text != r.said || r.n >= 2*r.saidN {
		r.said, r.saidN = text, r.n
		return true
	}
	return false
}
