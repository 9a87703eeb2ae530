// Package smoke runs each benchmark for seconds, so that none is broken when somebody
// wants its figures. What they measure then is not worth reading.
package smoke
