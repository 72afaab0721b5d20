import { describeChecks } from './checks'

describeChecks('comms, over a real kernel', 'comm.py')
