package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every type in this package.
const GroupName = "vdi.kasm.io"

// GroupVersion identifies this version of the group.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// KindSession is VDISession's kind, by which owners are named.
const KindSession = "VDISession"

// AddToScheme registers the types of this package with a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&VDISession{}, &VDISessionList{},
		&VDITemplate{}, &VDITemplateList{},
		&VDISignIn{}, &VDISignInList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
