package v1alpha1

// Condition types of a session. True is good in each.
const (
	// ConditionTemplateResolved: the template exists and can be used.
	ConditionTemplateResolved = "TemplateResolved"
	// ConditionHomeReady: the home exists and no other session uses it.
	ConditionHomeReady = "HomeReady"
	// ConditionWorkloadApplied: the API server accepted the workload, or the desktop sleeps
	// and needs none.
	ConditionWorkloadApplied = "WorkloadApplied"
	// ConditionUpToDate: the workload is as template and session ask for now. False
	// while a change waits for the desktop to sleep.
	ConditionUpToDate = "UpToDate"
	// ConditionAwake: the desktop is to run, with the reason of the last decision.
	ConditionAwake = "Awake"
	// ConditionReady: a visitor gets a desktop: it is reachable, or asleep and can
	// be woken.
	ConditionReady = "Ready"
	// ConditionDesktopReady: the desktop is awake and visitors get to it. Its reasons are
	// those of Ready.
	ConditionDesktopReady = "DesktopReady"
	// ConditionAccessEnforced: what the template's spec.access forbids is kept back before it
	// reaches the desktop, or the visitor. Absent where it asks for nothing.
	ConditionAccessEnforced = "AccessEnforced"
	// ConditionDozing: the desktop is frozen in its pod. False says why it is not, or cannot
	// be; it is there while the desktop is awake and lifecycle.dozeAfter is on.
	ConditionDozing = "Dozing"
)

// Condition types of a template. True is good in each.
const (
	// ConditionValid: a desktop can be made of the template.
	ConditionValid = "Valid"
	// ConditionWarmPoolReady: as many desktops wait for sessions as spec.warmPool asks for. Absent
	// without it.
	ConditionWarmPoolReady = "WarmPoolReady"
)

// Condition types of an installation, in its ConfigMap. True is good in each.
const (
	// ConditionConfigurationCurrent: the configuration file as it is now is in use.
	ConditionConfigurationCurrent = "ConfigurationCurrent"
	// ConditionKeysCurrent: the installation's keys are in use as their Secrets have them.
	ConditionKeysCurrent = "KeysCurrent"
	// ConditionDefinitionsPresent: the cluster has the definitions that the controllers need.
	ConditionDefinitionsPresent = "DefinitionsPresent"
	// ConditionNamespacesServed: every namespace of watchNamespaces exists, is not being
	// deleted, and the operator has rights there.
	ConditionNamespacesServed = "NamespacesServed"
	// ConditionNamespacesOwned: no other installation serves a namespace of this one's sessions.
	ConditionNamespacesOwned = "NamespacesOwned"
	// ConditionActivatorsListening: an activator tells the operator who uses desktops; without
	// one no desktop falls asleep by its disconnect or idle timeout.
	ConditionActivatorsListening = "ActivatorsListening"
	// ConditionKnativeReady: Knative Serving is installed, new enough and ready.
	ConditionKnativeReady = "KnativeReady"
	// ConditionKnativeConfigured: Knative's configuration is as desktops need it.
	ConditionKnativeConfigured = "KnativeConfigured"
	// ConditionSignInReady: the portal runs, and people can sign in at the identity provider.
	ConditionSignInReady = "SignInReady"
)

// Reasons of Valid. The other ones are ReasonInvalidTemplate and ReasonRefused.
const (
	// ReasonAccepted: the API server would accept a desktop of the template.
	ReasonAccepted = "Accepted"
	// ReasonNotTried: a pod can be made of the template; whether the API server would
	// accept it could not be asked.
	ReasonNotTried = "NotTried"
)

// Reasons of WarmPoolReady. The other ones are ReasonInvalidTemplate, ReasonReady and ReasonRefused.
const (
	// ReasonRefilling: desktops of the pool start.
	ReasonRefilling = "Refilling"
	// ReasonSessionsFirst: sessions wait for a GPU that the pool's desktops would have, or have.
	ReasonSessionsFirst = "SessionsFirst"
)

// Reasons of TemplateResolved.
const (
	// ReasonTemplateFound: the template exists.
	ReasonTemplateFound = "TemplateFound"
	// ReasonTemplateNotFound: no template has the name in spec.template.
	ReasonTemplateNotFound = "TemplateNotFound"
)

// Reasons of HomeReady.
const (
	// ReasonNoHome: the session has no home; nothing outlives its sleep.
	ReasonNoHome = "NoHome"
	// ReasonHomeHeld: the home exists, and this session uses it.
	ReasonHomeHeld = "HomeHeld"
	// ReasonHomeRetained: as HomeHeld, and the home stays when the session is deleted,
	// though the session or its template says Delete. It is an event's reason, too.
	ReasonHomeRetained = "HomeRetained"
	// ReasonHomeInUse: another session uses the home. It is an event's reason, too.
	ReasonHomeInUse = "HomeInUse"
	// ReasonHomeTerminating: the home is being deleted; a new one follows.
	ReasonHomeTerminating = "HomeTerminating"
)

// Reasons of WorkloadApplied. The refusals are reasons of HomeReady, too.
const (
	// ReasonApplied: the workload was applied.
	ReasonApplied = "Applied"
	// ReasonMadeAtWake: the desktop sleeps, and what it runs on is made when it wakes.
	ReasonMadeAtWake = "MadeAtWake"
	// ReasonInvalidTemplate: no pod can be made of the template. It is a reason of Valid, too.
	ReasonInvalidTemplate = "InvalidTemplate"
	// ReasonRefused: the API server, a quota or a policy refuses an object. For a template:
	// any desktop of it. For the installation: a configuration that is refused.
	ReasonRefused = "Refused"
	// ReasonNameTaken: an object of this name exists and is not the session's.
	ReasonNameTaken = "NameTaken"
	// ReasonKnativeMissing: Knative Serving is not installed.
	ReasonKnativeMissing = "KnativeMissing"
)

// Reasons of UpToDate.
const (
	// ReasonUpToDate: the workload is as template and session ask for.
	ReasonUpToDate = "UpToDate"
	// ReasonBlocked: the change cannot be applied; another condition says why.
	ReasonBlocked = "Blocked"
	// ReasonWaitingForSleep: the change waits for the desktop to sleep, and comes with its next
	// wake.
	ReasonWaitingForSleep = "WaitingForSleep"
	// ReasonChangingOver: the workload moves from Knative to a Deployment, or back. It
	// is a reason of Ready, too.
	ReasonChangingOver = "ChangingOver"
)

// Reasons of AccessEnforced.
const (
	// ReasonEnforced: the activator blocks all that is forbidden.
	ReasonEnforced = "Enforced"
	// ReasonImageAlone: something is left to the image, which was told, and to nobody else.
	ReasonImageAlone = "ImageAlone"
	// ReasonNotEnforced: something is enforced by nobody.
	ReasonNotEnforced = "NotEnforced"
	// ReasonProtocolUnknown: the template names no protocol, and nobody has used the desktop yet.
	ReasonProtocolUnknown = "ProtocolUnknown"
)

// Reasons of Awake. Those of sleeps are in status.sleepReason, too.
const (
	// ReasonVisited: awake, since somebody came.
	ReasonVisited = "Visited"
	// ReasonNotVisited: asleep, and nobody has come since.
	ReasonNotVisited = "NotVisited"
	// ReasonAlwaysOn: awake by spec.power.
	ReasonAlwaysOn = "AlwaysOn"
	// ReasonPoweredOff: asleep by spec.power. It is a reason of Ready, too.
	ReasonPoweredOff = "PoweredOff"
	// ReasonSleepRequested: asleep by spec.sleepAt.
	ReasonSleepRequested = "SleepRequested"
	// ReasonIdleTimeout: asleep, since nobody typed or moved the pointer.
	ReasonIdleTimeout = "IdleTimeout"
	// ReasonDisconnectTimeout: asleep, since nobody was connected.
	ReasonDisconnectTimeout = "DisconnectTimeout"
	// ReasonMaxDuration: asleep, since it had been awake for as long as it may.
	ReasonMaxDuration = "MaxDuration"
	// ReasonDozeAfter: awake and dozing, since nobody was connected.
	ReasonDozeAfter = "DozeAfter"
	// ReasonDozeFor: asleep, since it had dozed for as long as it may.
	ReasonDozeFor = "DozeFor"
	// ReasonGaveWay: asleep while it dozed, since somebody needs what it held: a session that
	// waits for its GPU, its node, or a change of its own.
	ReasonGaveWay = "GaveWay"
	// ReasonDozeLost: asleep, since nobody could thaw it; what was open in it is lost. It starts
	// anew for who visits it. It is an event's reason, too.
	ReasonDozeLost = "DozeLost"
	// ReasonStartupTimeout: asleep, since it did not start in time. It is a reason of
	// Ready, too.
	ReasonStartupTimeout = "StartupTimeout"
)

// Reasons of Dozing.
const (
	// ReasonDozing: the desktop is frozen; a visit thaws it. It is a reason of Ready, too.
	ReasonDozing = "Dozing"
	// ReasonCanDoze: the desktop dozes once nobody has been connected for long enough.
	ReasonCanDoze = "CanDoze"
	// ReasonSleepsFirst: disconnectTimeout is not longer than dozeAfter.
	ReasonSleepsFirst = "SleepsFirst"
	// ReasonDozeOff: doze.enabled is false.
	ReasonDozeOff = "DozeOff"
	// ReasonNodeProgramMissing: the desktop's node has no program that is ready to freeze it.
	ReasonNodeProgramMissing = "NodeProgramMissing"
	// ReasonNodeNeedsRoom: the node takes no pods, or is short of memory: what dozes there gives way. Of
	// a warm pool: one of its desktops gave way to such a node, and none is made for a while.
	ReasonNodeNeedsRoom = "NodeNeedsRoom"
	// ReasonFreezeFailed: the program on the node did not freeze the desktop; it is tried again.
	ReasonFreezeFailed = "FreezeFailed"
)

// Reasons of Ready. While the workload cannot be made, it is the reason of the condition
// that says why.
const (
	// ReasonRunning: the desktop is reachable.
	ReasonRunning = "Running"
	// ReasonAsleep: the desktop sleeps; a visit wakes it. It is an event's reason, too.
	ReasonAsleep = "Asleep"
	// ReasonTerminating: the session is being deleted, or its namespace.
	ReasonTerminating = "Terminating"
	// ReasonNotServed: the operator was uninstalled. For the installation: namespaces are not
	// served.
	ReasonNotServed = "NotServed"
)

// Reasons of Ready that status.waiting repeats: what a start waits for. The first of them
// pass by themselves.
const (
	// ReasonWaking: the desktop is to run and has no pod yet.
	ReasonWaking = "Waking"
	// ReasonHomeFinishing: a pod that ends has the home still mounted, or is the last of a desktop
	// without a home, or Kubernetes still tries the desktop's last start; the next one follows.
	ReasonHomeFinishing = "HomeFinishing"
	// ReasonScheduling: the scheduler looks for a node.
	ReasonScheduling = "Scheduling"
	// ReasonPreparing: the node prepares the pod, volumes included. For a workload that
	// is being made it is a reason of UpToDate, too.
	ReasonPreparing = "Preparing"
	// ReasonPullingImage: the node has the volumes and pulls the image.
	ReasonPullingImage = "PullingImage"
	// ReasonStarting: the desktop's container runs.
	ReasonStarting = "Starting"
	// ReasonNotReached: Kubernetes reports the pod as ready, but nobody has reached it at
	// its address yet. It asks the activators to try.
	ReasonNotReached = "NotReached"

	// ReasonWaitingForGPU: no node has enough of an extended resource, as GPUs are.
	ReasonWaitingForGPU = "WaitingForGPU"
	// ReasonWaitingForResource: no node has enough memory, CPU or other resource.
	ReasonWaitingForResource = "WaitingForResource"
	// ReasonWaitingForVolume: no node can have the home's volume.
	ReasonWaitingForVolume = "WaitingForVolume"
	// ReasonStorageClassMissing: the home's claim asks for a StorageClass that does not exist.
	ReasonStorageClassMissing = "StorageClassMissing"
	// ReasonNoNodeLargeEnough: no node of the cluster has as much as the desktop asks for,
	// free or not.
	ReasonNoNodeLargeEnough = "NoNodeLargeEnough"
	// ReasonWaitingForNode: no node suits the pod for another cause.
	ReasonWaitingForNode = "WaitingForNode"
	// ReasonPodNotCreated: the pod cannot be created, because of a quota for example.
	ReasonPodNotCreated = "PodNotCreated"
	// ReasonKnativeFailed: Knative cannot make a revision of the desktop.
	ReasonKnativeFailed = "KnativeFailed"
	// ReasonNodeLost: the node of the desktop's pod, or of the last one that has the home
	// mounted, does not answer. It is an event's reason, too.
	ReasonNodeLost = "NodeLost"
	// ReasonPodEnded: the pod has ended, by eviction for example.
	ReasonPodEnded = "PodEnded"
	// ReasonImagePullFailed: the image cannot be pulled.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonContainerFailed: the container cannot be configured, created or started.
	ReasonContainerFailed = "ContainerFailed"
	// ReasonCrashLoop: the desktop ends right after each start.
	ReasonCrashLoop = "CrashLoop"
)

// Reasons of the installation's conditions. Each is an event's reason, too.
const (
	// ReasonCurrent: the configuration file is in use, or the keys are.
	ReasonCurrent = "Current"
	// ReasonPresent: every definition is there.
	ReasonPresent = "Present"
	// ReasonMissing: a definition is missing, or a Secret with a key.
	ReasonMissing = "Missing"
	// ReasonServed: every namespace is served.
	ReasonServed = "Served"
	// ReasonOwned: every namespace with sessions is this installation's.
	ReasonOwned = "Owned"
	// ReasonServedElsewhere: another installation serves a namespace.
	ReasonServedElsewhere = "ServedElsewhere"
	// ReasonListening: an activator renews its Lease.
	ReasonListening = "Listening"
	// ReasonNobodyListens: no activator does.
	ReasonNobodyListens = "NobodyListens"
	// ReasonReady: Knative Serving is ready.
	ReasonReady = "Ready"
	// ReasonVersionUnknown: Knative Serving is ready, and its version is unknown.
	ReasonVersionUnknown = "VersionUnknown"
	// ReasonNotReady: one of Knative's Deployments has no replica that is ready.
	ReasonNotReady = "NotReady"
	// ReasonTooOld: Knative Serving is older than desktops need.
	ReasonTooOld = "TooOld"
	// ReasonNotInstalled: Knative Serving is not in its namespace.
	ReasonNotInstalled = "NotInstalled"
	// ReasonAsNeeded: Knative's configuration is as desktops need it.
	ReasonAsNeeded = "AsNeeded"
	// ReasonNotApplied: keys are missing, and knative.applyConfig is false.
	ReasonNotApplied = "NotApplied"
	// ReasonConflict: somebody else sets a key to another value.
	ReasonConflict = "Conflict"
	// ReasonWaitingForKnativeOperator: the Knative Operator has not written the keys yet.
	ReasonWaitingForKnativeOperator = "WaitingForKnativeOperator"
	// ReasonChanging: somebody changes the same object at this moment.
	ReasonChanging = "Changing"
	// ReasonNotFound: Knative's configuration is not in its namespace.
	ReasonNotFound = "NotFound"
	// ReasonForbidden: the operator may not read, or not change, what the condition is about.
	ReasonForbidden = "Forbidden"
	// ReasonProviderAway: the identity provider does not answer, or not as configured.
	ReasonProviderAway = "ProviderAway"
	// ReasonUnreadable: reading failed for another cause.
	ReasonUnreadable = "Unreadable"
)

// Reasons of events that are no conditions' reasons.
const (
	// EventAwake: a session's desktop wakes.
	EventAwake = "Awake"
	// EventDesktopDozes: a session's desktop was frozen in its pod.
	EventDesktopDozes = "DesktopDozes"
	// EventDesktopThawed: a desktop that dozed runs again.
	EventDesktopThawed = "DesktopThawed"
	// EventStartupFailed: a session's desktop did not start in time.
	EventStartupFailed = "StartupFailed"
	// EventConfigRestored: keys of Knative's configuration that somebody had removed
	// were set again.
	EventConfigRestored = "ConfigRestored"
	// EventConfigConflict: somebody else sets a key of Knative's to another value.
	EventConfigConflict = "ConfigConflict"
)
