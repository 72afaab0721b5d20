import { describeChecks } from './checks'

describeChecks('the debugger, over a real kernel', 'debugger.py')
