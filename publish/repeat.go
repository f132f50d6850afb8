package publish

// Repeat publishes every state again, that of the given topic first: for who
// has just started and forgot, as Home Assistant.
func (p *Publisher) Repeat(first string) {
	p.mu.Lock()
	p.out.renew(first, nil)
	p.mu.Unlock()
	p.wakeUp()
}
