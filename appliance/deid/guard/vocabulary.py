"""The standard's and our own fixed words: a name inside one of them is no leak.

Gina is in ORIGINAL, Eric in GENERIC: without this list every image of theirs would be held.
Defined terms of PS3.3, code meanings of CID 7050, and the texts which we write ourselves.
"""

_WORDS = """
abd abdomen abdominal abort absolute acceleration acquired acquisition active actual adaptive
addition aliasing aligned amplitude analog anatomy angio angiography angle ankle anonymised
anonymized anterior application arm art arterial artery artifact attenuation auto automatic
average axial axis background baseline basic bilateral binary biplane bits black blank block blood
bone both bottom brain breast bright calibrated calibration cardiac caudal cephalic cervical
characteristics chest clavicle clean clinical coarse coil collimation color colour combined common
complex compressed compression computed confidentiality configuration constant contact content
continuous contrast control convolution coordinate cor coronal coronary corrected correction
cranial curved cylinder data date dates decay deface default deidentification demo density derived
descending descriptors detector device diagnosis diffusion digital dimension dir direct direction
distance dose dual dynamic ecg echo effective elbow elliptical emission endoscopy enhanced entire
equipment error estimated even exact exam excitation exclusive expert exposure extended external
extremity face false fast feet female femur ffp ffs field filter filtered final fine finger first
fixed flag flat flow fluoroscopy foot forearm format forward fourier fractional frame frames
frequency frontal full functional gated generic geometry gradient graphic graphics grid hand head
heart helical hfp hfs high hip history hologic horizontal humerus identity image images implant
inactive incomplete individual inferior information inner input instance institution integer
intensity interior internal interpolated inverse inversion isotropic kernel kidney knee label
lateral leaf left level limb linear lines liver local localizer location longitudinal lossless
lossy low lower lumbar lung magnetic magnitude male manual map mask material max maximum mean
measured medical mediolateral medium metal method mid midsagittal min minimum mip mixed modality
mode model modified module monochrome motion mpr multi multiplanar multiple multivalue mutual
native neck negative neutral noise non none normal normalized not nuclear number oblique off
offset online only operation opposed option options orientation original orthogonal other output
overlay palette parallel parametric partial partition passive patient patients pelvis percent
perfusion phantom phase philips photon physical picture pixel pixels planar plane point position
positive posterior predicted presentation pressure primary private processed processing profile
projection prone protocol pseudonymise pseudonymised quality quantitative quick radial radiography
random range ratio real reconstruction rectangular recumbent reduced ref reference reformatted
region registered registration relative relaxation removed resampled rescale research resolution
respiratory rest result retain retained retired reverse right rotation routine row sag sagittal
sample scan scanned scanner scout screen sec secondary segmentation segmented select sequence
series shape shift short shoulder siemen siemens sigmoid signal signed simulated single skull
slice small smooth soft software source spacing spatial special spectral spectroscopy spherical
spin spine spiral spoiled standard standing static station status steady stereo storage strain
stress structured study subtracted subtraction sum summary superior supine surface survey
symmetric syntax system systolic tables target technique template temporal thigh thorax threshold
time tissue tof tomography toshiba total tra transmission transverse ttl tube type unassigned
unknown unmodified unsigned unspecified unverified upper value values variable vascular velocity
venous verified vertical vessel view virtual visual volume volumetric water wave weighted whole
window without wrist yes
"""
VOCABULARY = frozenset(_WORDS.split())
