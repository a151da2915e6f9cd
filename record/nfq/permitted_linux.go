package nfq

import (
	"errors"
	"fmt"
)

// Permitted says whether this process may bind queues in its network namespace,
// without binding one: it sends a command that does nothing. The error is
// ErrPermission, ErrUnsupported or that of the socket.
func Permitted() error {
	c := Config{}.withDefaults()
	s, err := newSocket(c)
	if err != nil {
		return err
	}
	q := &Queue{sock: s, wake: -1, in: newInbox(0, 1)}
	errno, err := q.ask(appendProbe(nil, 1), 1)
	if err == nil {
		err = bindError(c, errno)
	} else {
		err = fmt.Errorf("ask whether binding is permitted: %w", err)
	}
	return errors.Join(err, q.Close())
}
