// Package v1alpha1 is the API of the group vdi.kasm.io: VDITemplate says what a
// desktop is, VDISession is one person's desktop.
//
// The CustomResourceDefinitions in config/crd and the chart are generated from
// these types; `make generate` writes them.
//
// +kubebuilder:object:generate=true
// +groupName=vdi.kasm.io
package v1alpha1
