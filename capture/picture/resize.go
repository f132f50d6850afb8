package picture

// samples is one colour component of a picture: w by h samples, step bytes
// apart in rows that are stride apart. step above 1 is for packed raw formats.
type samples struct {
	pix          []byte
	stride, step int
	w, h         int
}

// spans says which source samples make up each sample of the result: taps of them
// from start, with weights that add up to 1<<weightBits.
type spans struct {
	taps    int
	start   []int
	weights []uint32 // taps for each sample
}

const weightBits = 12

// newSpans divides size samples evenly among n: the weight of a sample is the
// share of it that lies in the span (area averaging).
func newSpans(size, n int) *spans {
	taps := min(size, (size+n-1)/n+1)
	s := &spans{taps: taps, start: make([]int, n), weights: make([]uint32, n*taps)}
	for i := range n {
		// In units of 1/n sample, the span is [i*size, (i+1)*size).
		from, to := i*size, (i+1)*size
		start := min(from/n, size-taps)
		s.start[i] = start
		left, largest := uint32(1<<weightBits), 0
		weights := s.weights[i*taps:][:taps]
		for j := range weights {
			a, b := max(from, (start+j)*n), min(to, (start+j+1)*n)
			weights[j] = min(left, uint32((max(0, b-a)<<weightBits+size/2)/size))
			left -= weights[j]
			if weights[j] > weights[largest] {
				largest = j
			}
		}
		weights[largest] += left // what rounding left over
	}
	return s
}

// scaler averages areas. It keeps its spans and rows from picture to picture.
type scaler struct {
	known map[[2]int]*spans // by source and result size
	line  []uint32          // a source row, averaged across
	sum   []uint32          // rows of them, being averaged down
}

// maxSpans bounds what a scaler keeps: a camera has one or two picture sizes.
const maxSpans = 16

func (s *scaler) spans(size, n int) *spans {
	key := [2]int{size, n}
	if s.known == nil || len(s.known) >= maxSpans {
		s.known = make(map[[2]int]*spans)
	}
	if s.known[key] == nil {
		s.known[key] = newSpans(size, n)
	}
	return s.known[key]
}

// scale writes src to the w by h samples of dst, whose rows are stride apart.
func (s *scaler) scale(dst []byte, stride, w, h int, src samples) {
	if w == src.w && h == src.h && src.step == 1 {
		for y := range h {
			copy(dst[y*stride:][:w], src.pix[y*src.stride:])
		}
		return
	}
	cols, rows := s.spans(src.w, w), s.spans(src.h, h)
	if cap(s.line) < w {
		s.line, s.sum = make([]uint32, w), make([]uint32, w)
	}
	line, sum := s.line[:w], s.sum[:w]
	have := -1 // the source row in line
	for y, start := range rows.start {
		clear(sum)
		for j, weight := range rows.weights[y*rows.taps:][:rows.taps] {
			if weight == 0 {
				continue
			}
			if at := start + j; at != have {
				cols.across(line, src.pix[at*src.stride:], src.step)
				have = at
			}
			sum := sum[:len(line)]
			for x, v := range line {
				sum[x] += v * weight
			}
		}
		out := dst[y*stride:][:w]
		for x, v := range sum {
			out[x] = byte((v + 1<<(2*weightBits-5)) >> (2*weightBits - 4))
		}
	}
}

// across averages a row; 4 bits of the weights' precision are given up so that
// the sums fit 32 bits.
func (s *spans) across(line []uint32, row []byte, step int) {
	const round = 1 << 3
	if step == 1 && s.taps == 3 { // 720 to 500 and its like
		weights := s.weights
		for x, at := range s.start[:len(line)] {
			in, w := row[at:at+3:at+3], weights[:3:3]
			line[x] = (uint32(in[0])*w[0] + uint32(in[1])*w[1] + uint32(in[2])*w[2] + round) >> 4
			weights = weights[3:]
		}
		return
	}
	for x, at := range s.start[:len(line)] {
		v := uint32(round)
		for j, w := range s.weights[x*s.taps:][:s.taps] {
			v += uint32(row[(at+j)*step]) * w
		}
		line[x] = v >> 4
	}
}
