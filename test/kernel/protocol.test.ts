import { describeChecks } from './checks'

describeChecks("the kernel's protocol and safety", 'protocol.py')
