package activator

import (
	"github.com/org/vdi-operator/activator/sockets"
	"github.com/org/vdi-operator/activator/verdict"
)

const OverreachesAtOnce = overreachesAtOnce

func (s *Server) Sockets() *sockets.Group { return s.sockets }

func (s *Server) Verdicts() *verdict.Verdicts { return s.verdicts }

func (s *Server) ReviewAll() { s.review(func(*sockets.Member) bool { return true }) }
