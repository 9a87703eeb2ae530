package v1alpha1

// Labels and annotations that tie the objects of a session together.
const (
	// LabelSession is on every object that a session brings, its pod included;
	// the value is the session's name, and empty on what waits in a warm pool for one.
	LabelSession = GroupName + "/session"
	// LabelSigningKey marks the Secret with the key that signs links.
	LabelSigningKey = GroupName + "/signing-key"
	// LabelUser carries a hash of spec.user: an e-mail address is not a legal
	// label value.
	LabelUser = GroupName + "/user-hash"
	// LabelDesktopNetwork is on the NetworkPolicy that the operator makes in each
	// namespace with sessions.
	LabelDesktopNetwork = GroupName + "/desktop-network"
	// LabelDesktopBudget is on the PodDisruptionBudget that the operator makes in each
	// namespace with sessions.
	LabelDesktopBudget = GroupName + "/desktop-budget"
	// LabelPrePull is on the DaemonSets that keep templates' images on nodes, and on their
	// pods; the value is the installation's name.
	LabelPrePull = GroupName + "/prepull"
	// LabelTemplate is the name of the template that a home belongs to, or whose images are
	// kept on nodes.
	LabelTemplate = GroupName + "/template"

	// AnnotationUser carries spec.user in clear on a home volume claim, for people.
	AnnotationUser = GroupName + "/user"
	// AnnotationHeldBy is on a home volume claim and names the session that uses
	// it, so that two sessions never write to one home at once.
	AnnotationHeldBy = GroupName + "/held-by"
	// AnnotationCreatedBy is on a home volume claim from its creation and is the UID of
	// the session that it was created for: only that session may take the home with it.
	// It goes as soon as another session uses the home.
	AnnotationCreatedBy = GroupName + "/created-by"
	// AnnotationStorageClass is on a home volume claim and is the StorageClass that its
	// template named; without it the template named none.
	AnnotationStorageClass = GroupName + "/storage-class"
	// AnnotationShapeHash is on what the operator makes of a template and is the hash of what
	// was applied, so that a change is seen without comparing what the API defaulted.
	AnnotationShapeHash = GroupName + "/shape-hash"
	// AnnotationAskedAgain is when Kubernetes was last asked to look again at a Deployment that is to
	// be at zero, in RFC 3339.
	AnnotationAskedAgain = GroupName + "/asked-again"

	// AnnotationKeySince is on a Secret with a key of the installation's that the operator replaces
	// by age, and says since when its key is in use, by RFC 3339.
	AnnotationKeySince = GroupName + "/key-since"
	// AnnotationNextKeySince is on it while its next key is there and not used yet.
	AnnotationNextKeySince = GroupName + "/next-key-since"
	// AnnotationRotateKey is what an administrator sets on it to have the key replaced now, whatever
	// its age; the operator takes it away.
	AnnotationRotateKey = GroupName + "/rotate-key"

	// FinalizerCleanup keeps a deleted session until its workload is gone and its
	// home is released.
	FinalizerCleanup = GroupName + "/session-cleanup"

	// ContainerDesktop is the name of the container that serves the desktop; its
	// first port is where the activator dials.
	ContainerDesktop = "desktop"
	// ContainerAgent is the name of the container that announces the pod.
	ContainerAgent = "vdi-agent"
)

// Classes by which Knative hands an object to this product's controllers.
const (
	// PodAutoscalerClass is the value of autoscaling.knative.dev/class.
	PodAutoscalerClass = "session.vdi.kasm.io"
	// IngressClass is the value of networking.knative.dev/ingress-class.
	IngressClass = "activator.vdi.kasm.io"
)
